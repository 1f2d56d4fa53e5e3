/* Runs a file of the workspace that belongs to root and has the setuid and setgid bits.
 * Matters: whoever is root for one program is root.
 * Held by: the workspace is mounted nosuid; no_new_privs.
 * control: root
 * inner-root: it is root already
 * prepare: cp workspace/attack/hostile workspace/setuid && chmod 6755 workspace/setuid */
#include "hostile.h"

int main(int argc, char **argv) {
    if (argc > 1) {
        return geteuid() == 0 ? 42 : 43;
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
            _exit(1);
        }
        execl("./setuid", "setuid", "files/setuid_in_workspace", "as-whom", (char *)NULL);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    return worked("root by a setuid file", WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
