/* Looks for the secret through /proc/PID/cwd of every process, and upwards from there.
 * Matters: a process that kept a directory of the host is a door to it (CVE-2024-21626 of runc).
 * Held by: the process namespace; init changes its directory before anything else runs. */
#include "hostile.h"

static bool through(pid_t pid) {
    char path[PATH_MAX];
    static const char *const ways[] = {"secret", "../sibling/secret", "sibling/secret", "../../sibling/secret"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(path, sizeof path, "/proc/%d/cwd/%s", pid, ways[i]);
        if (steals(path)) {
            return true;
        }
    }
    return false;
}

int main(void) {
    return worked("the secret through /proc/PID/cwd", any_process(through));
}
