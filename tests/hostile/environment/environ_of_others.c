/* Reads the environment and the arguments of every process it sees.
 * Matters: PID 1 of bubblewrap keeps the launcher's environment.
 * Held by: init starts without an environment and is not dumpable. */
#include "hostile.h"

static bool tells(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    bool told = pid != getpid() && steals(path);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    return told || (pid != getpid() && steals(path));
}

int main(void) {
    return worked("the environment of another process", any_process(tells));
}
