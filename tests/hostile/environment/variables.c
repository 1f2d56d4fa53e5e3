/* Looks for variables of the launcher, its secrets and the sockets they name.
 * Matters: tokens are kept in variables.
 * Held by: a made-up environment. */
#include "hostile.h"

int main(void) {
    static const char *const names[] = {"LAUNCHER_SECRET", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (getenv(names[i]) != NULL) {
            return verdict(GOT_THROUGH, "%s", names[i]);
        }
    }
    return verdict(HELD, "none of them");
}
