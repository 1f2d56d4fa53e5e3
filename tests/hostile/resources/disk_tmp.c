/* Fills /tmp beyond the 32 MiB that are allowed.
 * Matters: a full disk stops everybody on the machine.
 * Held by: the size of the file system in memory.
 * create: --disk 32m
 * death: it is out of memory before it is out of disk */
#include "hostile.h"

int main(void) {
    static char block[1 << 20];
    char path[PATH_MAX];
    const char *scratch = getenv("HOSTILE_SCRATCH");
    snprintf(path, sizeof path, "%s/hostile-fill", scratch != NULL ? scratch : "/tmp");
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
