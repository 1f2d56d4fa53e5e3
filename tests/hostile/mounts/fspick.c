/* Picks a mounted file system to change its options.
 * Matters: a remount by another name.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("fspick", syscall(SYS_fspick, AT_FDCWD, "/proc", 1 /* FSPICK_CLOEXEC */));
}
