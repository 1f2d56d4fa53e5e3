/* Looks what its standard input, output and error are: a file or terminal of the launcher can be read, written, truncated.
 * Matters: a log to which the launcher redirected can be rewritten; a directory as input is a door.
 * Held by: pipes made for the command.
 * stdin: a file of the launcher's */
#include "hostile.h"

int main(void) {
    for (int fd = 0; fd < 3; fd++) {
        struct stat stat;
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (fstat(fd, &stat) == 0 && (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode)) && open(path, O_RDWR) >= 0) {
            return verdict(GOT_THROUGH, "descriptor %d is a file of the launcher's, and opens for writing", fd);
        }
        if (isatty(fd)) {
            return verdict(GOT_THROUGH, "descriptor %d is a terminal", fd);
        }
    }
    return verdict(HELD, "pipes");
}
