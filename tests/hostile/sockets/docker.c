/* Connects to Docker, by the variable that names it and where it usually lies.
 * Matters: whoever talks to it is root of the host.
 * Held by: the root file system has no such socket, and the environment no such variable.
 * harm: connected */
#include "unix.h"

int main(void) {
    const char *const paths[] = {path_in("DOCKER_HOST"), stage("run/docker.sock"), "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && reaches(paths[i])) {
            return verdict(GOT_THROUGH, "connected to %s", paths[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
