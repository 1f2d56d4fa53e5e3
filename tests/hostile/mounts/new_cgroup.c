/* Mounts the hierarchy of cgroups.
 * Matters: limits are lifted there, and version 1 has the release agent.
 * Held by: seccomp; no CAP_SYS_ADMIN.
 * control: root */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting cgroup2", mount("none", "mnt", "cgroup2", 0, NULL));
}
