/* Starts 300 processes where 64 are allowed.
 * Matters: a fork bomb leaves no process number for anybody else on the machine.
 * Held by: pids.max of the cgroup, or RLIMIT_NPROC in a user namespace of the sandbox's own.
 * create: --pids-limit 64 */
#include "hostile.h"

int main(void) {
    setpgid(0, 0);
    int made = 0, failed = 0;
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0) {
            failed = errno;
            break;
        }
        made++;
    }
    /* All of one process group, which was made for this program. */
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0) {
    }
    errno = failed;
    return worked("started them all", made == 300);
}
