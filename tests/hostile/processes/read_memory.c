/* Reads the memory of PID 1 and of any other process, with process_vm_readv and by /proc/PID/mem.
 * Matters: the token of the guest protocol lies there.
 * Held by: PID 1 is not dumpable; other processes are the command's own. */
#include "hostile.h"

#include <sys/uio.h>

static bool readable(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *maps = pid == getpid() ? NULL : fopen(path, "r");
    unsigned long from = 0;
    bool mapped = maps != NULL && fgets(line, sizeof line, maps) != NULL && sscanf(line, "%lx-", &from) == 1;
    if (maps != NULL) {
        fclose(maps);
    }
    if (!mapped) {
        return false;
    }
    char bytes[16];
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)from, sizeof bytes};
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDONLY);
    return process_vm_readv(pid, &here, 1, &there, 1, 0) > 0 || (fd >= 0 && pread(fd, bytes, sizeof bytes, (off_t)from) > 0);
}

int main(void) {
    return worked("read the memory of another process", any_process(readable));
}
