/* Reads which keys there are.
 * Matters: keys belong to no namespace.
 * Held by: masks over the files. */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/keys", "/proc/key-users"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char byte;
        int fd = open(files[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &byte, 1) > 0) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
