/* Unmounts what lies over files that must not be seen or written.
 * Matters: a guard that can be lifted is none.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <mntent.h>
#include <sys/mount.h>

int main(void) {
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    char paths[128][256];
    int count = 0;
    for (struct mntent *mount_of; mounts != NULL && count < 128 && (mount_of = getmntent(mounts)) != NULL;) {
        snprintf(paths[count++], sizeof paths[0], "%s", mount_of->mnt_dir);
    }
    while (count-- > 0) {
        if (umount2(paths[count], MNT_DETACH) == 0) {
            return verdict(GOT_THROUGH, "unmounted %s", paths[count]);
        }
    }
    return verdict(HELD, "umount2: %s", strerror(errno));
}
