/* Reads the timers of the kernel.
 * Matters: tells processes of the host and addresses.
 * Held by: a mask over the file; it belongs to host root, who is not among the mapped ids.
 * control: root */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/timer_list"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char byte;
        int fd = open(files[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &byte, 1) > 0) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
