/* Makes a user and a mount namespace, becomes root in them and mounts a /proc and a tmpfs.
 * Matters: the whole chain that every nested container and most exploits go.
 * Held by: seccomp, at its first link. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    char map[32];
    unsigned uid = getuid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        return verdict(HELD, "unshare: %s", strerror(errno));
    }
    snprintf(map, sizeof map, "0 %u 1", uid);
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", map);
    return reached("mount in a nested namespace", mount("tmpfs", "/mnt", "tmpfs", 0, NULL));
}
