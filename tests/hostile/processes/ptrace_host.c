/* Attaches to a process of the host as a debugger.
 * Matters: whoever traces a process has all that it has.
 * Held by: the process namespace. */
#include "hostile.h"

#include <sys/ptrace.h>

int main(void) {
    pid_t target = atoi(given("HOSTILE_VICTIM"));
    long traced = ptrace(PTRACE_SEIZE, target, 0, 0);
    if (traced == 0) {
        ptrace(PTRACE_DETACH, target, 0, 0);
    }
    return worked("traces a process of the host", traced == 0);
}
