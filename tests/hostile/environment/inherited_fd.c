/* Looks through its descriptors for files of the launcher.
 * Matters: an open directory is a door to the host that no mount closes.
 * Held by: a command gets standard input, output and error only. */
#include "hostile.h"

int main(void) {
    for (int fd = 3; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            char path[64], target[PATH_MAX] = "";
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            (void)!readlink(path, target, sizeof target - 1);
            return verdict(GOT_THROUGH, "descriptor %d is open: %s", fd, target);
        }
    }
    return verdict(HELD, "nothing but 0, 1, 2");
}
