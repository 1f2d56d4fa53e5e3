/* Opens the memory of the kernel.
 * Matters: all memory of all processes.
 * Held by: a mask over the file; it belongs to host root, who is not among the mapped ids.
 * control: root
 * may-lack: a kernel without such files */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/kcore", "/proc/vmcore"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only: a read would take from others. What is masked opens as an empty device. */
        struct stat file;
        int fd = open(files[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(is_control() && errno == ENOENT ? COULD_NOT_TRY : HELD, "%s", strerror(errno));
}
