/* Starts `su`, a setuid program of the system, and looks whether it became root while it waits for a password.
 * Matters: setuid programs parse what their caller gives them, and each year one of them has a hole (pkexec, sudo).
 * Held by: nosuid mounts, no_new_privs, and host root is not among the mapped ids.
 * control: root
 * inner-root: it is root already */
#include "hostile.h"

int main(void) {
    static const char *const programs[] = {"/usr/bin/su", "/usr/bin/sudo", "/usr/bin/pkexec", "/usr/bin/newgrp", "/usr/bin/chfn"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        int input[2];
        struct stat file;
        if (stat(programs[i], &file) != 0 || (file.st_mode & S_ISUID) == 0 || pipe(input) != 0) {
            continue;
        }
        pid_t pid = fork();
        if (pid == 0) {
            if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
                _exit(1);
            }
            dup2(input[0], 0);
            close(input[1]);
            close(1);
            execl(programs[i], programs[i], (char *)NULL);
            _exit(1);
        }
        close(input[0]);
        char path[64], text[4096] = "";
        snprintf(path, sizeof path, "/proc/%d/status", pid);
        bool became_root = false;
        /* It either waits for its input or ends by itself. */
        while (!became_root && waitpid(pid, NULL, WNOHANG) == 0) {
            FILE *status = fopen(path, "r");
            size_t length = status == NULL ? 0 : fread(text, 1, sizeof text - 1, status);
            text[length] = 0;
            if (status != NULL) {
                fclose(status);
            }
            unsigned real = 0, effective = 1;
            char *line = strstr(text, "\nUid:");
            if (line != NULL && sscanf(line, "\nUid: %u %u", &real, &effective) == 2) {
                became_root = real != 0 && effective == 0;
            }
            if (strstr(text, "State:\tS") != NULL && !became_root && strncmp(text, "Name:\thostile", 13) != 0) {
                break;
            }
        }
        kill(pid, SIGKILL);
        close(input[1]);
        if (became_root) {
            return verdict(GOT_THROUGH, "%s runs as root", programs[i]);
        }
    }
    return verdict(HELD, "no setuid program became root");
}
