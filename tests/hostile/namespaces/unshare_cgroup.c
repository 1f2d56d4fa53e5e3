/* Makes a cgroup namespace of its own.
 * Matters: needed to mount cgroups (CVE-2022-0492).
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWCGROUP)", unshare(CLONE_NEWCGROUP));
}
