/* Mounts /sys.
 * Matters: shows and sets the state of the kernel.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting sysfs", mount("none", "mnt", "sysfs", 0, NULL));
}
