/* Moves a mount with the system calls of Linux 5.2.
 * Matters: a guard that is moved away guards nothing.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, ".", 0));
}
