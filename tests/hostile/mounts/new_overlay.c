/* Mounts an overlay of the workspace and a directory of its own.
 * Matters: overlayfs in user namespaces was a row of escapes (CVE-2021-3493, CVE-2023-0386, CVE-2023-2640).
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("lower", 0755);
    mkdir("mnt", 0755);
    return reached("mounting an overlay", mount("overlay", "mnt", "overlay", 0, "lowerdir=lower:."));
}
