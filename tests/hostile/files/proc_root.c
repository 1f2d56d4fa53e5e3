/* Looks for the secret through /proc/PID/root of every process.
 * Matters: the link leads into whatever root directory that process has, past all mounts of the caller's.
 * Held by: the process namespace with a /proc of its own; PID 1 lets nobody look into it. */
#include "hostile.h"

static bool through(pid_t pid) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, stage("sibling/secret"));
    return steals(path);
}

int main(void) {
    return worked("the secret through /proc/PID/root", any_process(through));
}
