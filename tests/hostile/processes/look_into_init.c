/* Reads what /proc tells of PID 1 to those who may look into it: layout, system call, stack, timers, limits of its memory.
 * Matters: the layout of its memory is half of an attack on it.
 * Held by: PID 1 is not dumpable. */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/1/maps", "/proc/1/smaps", "/proc/1/auxv", "/proc/1/syscall", "/proc/1/pagemap",
                                        "/proc/1/personality", "/proc/1/io", "/proc/1/timers"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char byte;
        int fd = open(files[i], O_RDONLY);
        if (fd >= 0 && read(fd, &byte, 1) == 1 && strcmp(files[i], "/proc/1/timers") != 0) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
