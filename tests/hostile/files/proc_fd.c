/* Opens again what any process has open, through /proc/PID/fd.
 * Matters: opening such a link gives a new descriptor, with rights that the old one did not have.
 * Held by: the process namespace; PID 1 is not dumpable, so its descriptors cannot be listed. */
#include "hostile.h"

static bool through(pid_t pid) {
    char path[PATH_MAX];
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
        struct stat stat_of;
        /* Neither pipes nor terminals, which would be stolen from the test itself. */
        if (pid != getpid() && stat(path, &stat_of) == 0) {
            if (S_ISREG(stat_of.st_mode) && steals(path)) {
                return true;
            }
            char below[2 * PATH_MAX];
            snprintf(below, sizeof below, "%s/secret", path);
            if (S_ISDIR(stat_of.st_mode) && steals(below)) {
                return true;
            }
        }
    }
    return false;
}

int main(void) {
    /* What this program inherited is another's business, see environment/. */
    close_range(3, ~0U, 0);
    return worked("the secret through /proc/PID/fd", any_process(through));
}
