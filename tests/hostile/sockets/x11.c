/* Connects to the X server, by the variable that names it and where it usually lies.
 * Matters: types and listens in all windows.
 * Held by: the root file system has no such socket, and the environment no such variable.
 * harm: connected */
#include "unix.h"

int main(void) {
    const char *const paths[] = {path_in("NO_SUCH_VARIABLE"), stage("run/X0"), "/tmp/.X11-unix/X0", "/run/user/1000/wayland-0"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && reaches(paths[i])) {
            return verdict(GOT_THROUGH, "connected to %s", paths[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
