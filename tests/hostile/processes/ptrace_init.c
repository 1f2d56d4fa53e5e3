/* Attaches to PID 1 as a debugger.
 * Matters: whoever traces a process has all that it has.
 * Held by: PID 1 is not dumpable, and its user namespace gives nobody CAP_SYS_PTRACE. */
#include "hostile.h"

#include <sys/ptrace.h>

int main(void) {
    pid_t target = 1;
    long traced = ptrace(PTRACE_SEIZE, target, 0, 0);
    if (traced == 0) {
        ptrace(PTRACE_DETACH, target, 0, 0);
    }
    return worked("traces PID 1", traced == 0);
}
