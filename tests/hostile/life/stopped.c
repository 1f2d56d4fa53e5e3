/* Leaves processes that are stopped, traced by each other, or in the middle of vfork.
 * Matters: such processes do not react as others do.
 * Held by: SIGKILL ends them all the same.
 * life: ready */
#include "life.h"

#include <sys/ptrace.h>

int main(void) {
    pid_t stopped = fork();
    if (stopped == 0) {
        live_on();
    }
    pid_t traced = fork();
    if (traced == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        live_on();
    }
    if (fork() == 0 && vfork() == 0) {
        for (;;) {
            pause();
        }
    }
    kill(stopped, SIGSTOP);
    return ready();
}
