/* Remounts each read-only mount writable.
 * Matters: a read-only bind is as good as the inability to change it.
 * Held by: seccomp; nobody inside has CAP_SYS_ADMIN; mounts of an outer user namespace are locked. */
#include "hostile.h"

#include <mntent.h>
#include <sys/mount.h>

int main(void) {
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    bool tried = false;
    for (struct mntent *mount_of; mounts != NULL && (mount_of = getmntent(mounts)) != NULL;) {
        if (hasmntopt(mount_of, "ro") != NULL) {
            tried = true;
            if (mount(NULL, mount_of->mnt_dir, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL) == 0) {
                return verdict(GOT_THROUGH, "%s is writable", mount_of->mnt_dir);
            }
        }
    }
    return tried ? verdict(HELD, "mount: %s", strerror(errno)) : verdict(COULD_NOT_TRY, "no read-only mount");
}
