/* Writes 256 MiB into files in memory where 64 MiB of memory are allowed.
 * Matters: these pages belong to no process that could be killed.
 * Held by: the cgroup counts them.
 * create: --memory 64m
 * death: the kernel kills it */
#include "hostile.h"

int main(void) {
    static char block[1 << 20];
    int fd = (int)syscall(SYS_memfd_create, "hostile", 0);
    for (int i = 0; i < 256; i++) {
        if (write(fd, block, sizeof block) != sizeof block) {
            return verdict(HELD, "%s", strerror(errno));
        }
    }
    return verdict(GOT_THROUGH, "wrote to all of it");
}
