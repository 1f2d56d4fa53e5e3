/* Attaches as a debugger to whatever process it sees and did not start itself.
 * Matters: other commands of the sandbox may be watched over by processes with more rights.
 * Held by: what is not a command is not dumpable. */
#include "hostile.h"

#include <sys/ptrace.h>

static bool traced(pid_t pid) {
    if (pid == getpid() || ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) {
        return false;
    }
    ptrace(PTRACE_DETACH, pid, 0, 0);
    printf("traced %d\n", pid);
    return true;
}

int main(void) {
    return worked("traces a process that is not its own", any_process(traced));
}
