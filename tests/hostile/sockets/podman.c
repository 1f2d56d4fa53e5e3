/* Connects to Podman, by the variable that names it and where it usually lies.
 * Matters: runs containers as the host's user, with the home in it.
 * Held by: the root file system has no such socket, and the environment no such variable.
 * harm: connected */
#include "unix.h"

int main(void) {
    const char *const paths[] = {path_in("CONTAINER_HOST"), stage("run/podman.sock"), "/run/podman/podman.sock"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && reaches(paths[i])) {
            return verdict(GOT_THROUGH, "connected to %s", paths[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
