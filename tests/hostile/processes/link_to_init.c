/* Follows the links that /proc has to the directories, executable and namespaces of PID 1.
 * Matters: each leads out if PID 1 kept anything of the host.
 * Held by: PID 1 is not dumpable. */
#include "hostile.h"

int main(void) {
    static const char *const links[] = {"/proc/1/root", "/proc/1/cwd", "/proc/1/exe", "/proc/1/ns/mnt", "/proc/1/fd"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        int fd = open(links[i], O_RDONLY);
        if (fd >= 0) {
            return verdict(GOT_THROUGH, "%s", links[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
