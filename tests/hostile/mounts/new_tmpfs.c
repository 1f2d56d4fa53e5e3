/* Mounts a file system in memory.
 * Matters: the first step of most tricks with mounts, without any limit on its size.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting tmpfs", mount("none", "mnt", "tmpfs", 0, NULL));
}
