/* Hangs up its terminal.
 * Matters: takes the terminal from others.
 * Held by: seccomp.
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("vhangup", syscall(SYS_vhangup));
}
