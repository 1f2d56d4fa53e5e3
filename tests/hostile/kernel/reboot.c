/* Restarts the machine (without the numbers that mean it).
 * Matters: the machine.
 * Held by: seccomp.
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("reboot", syscall(SYS_reboot, 0xbad, 0xbad, 0, NULL));
}
