/* Opens the memory of the kernel.
 * Matters: all memory of all processes.
 * Held by: a mask over the file; it belongs to host root, who is not among the mapped ids.
 * control: root
 * may-lack: a kernel without such files */
#include "hostile.h"
#include <linux/magic.h>
#include <sys/vfs.h>

int main(void) {
    static const char *const files[] = {"/proc/kcore", "/proc/vmcore"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only: a read would take from others. What is masked is no file of proc's. */
        struct statfs system;
        int fd = open(files[i], O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(is_control() && errno == ENOENT ? COULD_NOT_TRY : HELD, "%s", strerror(errno));
}
