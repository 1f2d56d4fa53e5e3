/* Fills the private home beyond the 32 MiB that are allowed.
 * Matters: a full disk stops everybody on the machine.
 * Held by: a quota, or a file system of its own; where it can be neither, the limit is refused when it is asked for.
 * create: --disk 32m
 * death: it is out of memory before it is out of disk */
#include "hostile.h"

int main(void) {
    static char block[1 << 20];
    char path[PATH_MAX];
    const char *scratch = getenv("HOSTILE_SCRATCH");
    snprintf(path, sizeof path, "%s/hostile-fill", scratch != NULL ? scratch : "/home/agent");
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    int written = 0;
    while (fd >= 0 && written < 96 && write(fd, block, sizeof block) == sizeof block) {
        written++;
    }
    int failed = errno;
    unlink(path);
    errno = failed;
    return worked("wrote 96 MiB", written == 96);
}
