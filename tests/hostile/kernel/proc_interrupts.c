/* Reads counters of interrupts and of the scheduler.
 * Matters: keystrokes and the doings of neighbours can be told from them; Docker masks them.
 * Held by: a mask over the file; it belongs to host root, who is not among the mapped ids. */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/interrupts", "/proc/softirqs", "/proc/schedstat", "/proc/latency_stats", "/proc/timer_stats", "/proc/latency_stats"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char byte;
        int fd = open(files[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &byte, 1) > 0) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
