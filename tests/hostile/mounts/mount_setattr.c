/* Makes a read-only mount writable with the system call of Linux 5.12.
 * Matters: a remount by yet another name.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    struct { uint64_t set, clear, propagation, userns; } attributes = {.clear = 1 /* MOUNT_ATTR_RDONLY */};
    return reached("mount_setattr", syscall(442 /* mount_setattr */, AT_FDCWD, "/", 0, &attributes, sizeof attributes));
}
