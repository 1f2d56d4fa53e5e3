/* Connects to the ssh agent, by the variable that names it and where it usually lies.
 * Matters: signs in everywhere as the host's user.
 * Held by: the root file system has no such socket, and the environment no such variable.
 * harm: connected */
#include "unix.h"

int main(void) {
    const char *const paths[] = {path_in("SSH_AUTH_SOCK"), stage("run/agent.sock"), "/run/user/1000/keyring/ssh", "/run/user/1000/gnupg/S.gpg-agent.ssh"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (paths[i] != NULL && reaches(paths[i])) {
            return verdict(GOT_THROUGH, "connected to %s", paths[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
