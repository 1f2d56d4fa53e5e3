/* Switches swap on (nowhere).
 * Matters: a file of the attacker becomes memory of the host.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without swap */
#include "hostile.h"

int main(void) {
    return reached("swapon", syscall(SYS_swapon, NULL, 0));
}
