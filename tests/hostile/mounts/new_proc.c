/* Mounts another /proc.
 * Matters: the second one has none of the masks that lie over the first.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting proc", mount("none", "mnt", "proc", 0, NULL));
}
