/* Enters the namespaces of any process it sees, by /proc/PID/ns.
 * Matters: a namespace that can be left is no wall.
 * Held by: seccomp; PID 1 lets nobody look into it; setns needs CAP_SYS_ADMIN. */
#include "hostile.h"

static bool enters(pid_t pid) {
    static const char *const kinds[] = {"mnt", "net", "uts", "ipc"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kinds[i]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && setns(fd, 0) == 0) {
            return true;
        }
    }
    return false;
}

int main(void) {
    return worked("entered a namespace", any_process(enters));
}
