/* Remounts the file systems that it may write, to allow setuid programs and devices.
 * Matters: these flags hold what mknod and chmod leave.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <mntent.h>
#include <sys/mount.h>

int main(void) {
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    for (struct mntent *mount_of; mounts != NULL && (mount_of = getmntent(mounts)) != NULL;) {
        if (hasmntopt(mount_of, "nosuid") != NULL && mount(NULL, mount_of->mnt_dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0) {
            return verdict(GOT_THROUGH, "%s allows setuid programs and devices", mount_of->mnt_dir);
        }
    }
    return verdict(HELD, "mount: %s", strerror(errno));
}
