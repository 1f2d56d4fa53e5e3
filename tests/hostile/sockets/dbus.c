/* Connects to the session's D-Bus, by the variable that names it and where it usually lies.
 * Matters: systemd starts any program for whoever asks there.
 * Held by: the root file system has no such socket, and the environment no such variable.
 * harm: connected */
#include "unix.h"

int main(void) {
    const char *const paths[] = {path_in("DBUS_SESSION_BUS_ADDRESS"), stage("run/bus"), "/run/dbus/system_bus_socket", "/run/user/1000/bus", "/run/systemd/private"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && reaches(paths[i])) {
            return verdict(GOT_THROUGH, "connected to %s", paths[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
