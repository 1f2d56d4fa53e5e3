/* Attaches to the process that watches over this command as a debugger.
 * Matters: whoever traces a process has all that it has.
 * Held by: it shares PID 1's memory and is as little dumpable. */
#include "hostile.h"

#include <sys/ptrace.h>

int main(void) {
    pid_t target = getppid();
    long traced = ptrace(PTRACE_SEIZE, target, 0, 0);
    if (traced == 0) {
        ptrace(PTRACE_DETACH, target, 0, 0);
    }
    return worked("traces the process that watches over this command", traced == 0);
}
