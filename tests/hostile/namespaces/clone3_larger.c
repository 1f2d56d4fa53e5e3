/* Makes a user namespace by clone3 with arguments of the size that newer kernels know, and with bytes after them.
 * Matters: PID 1 of a sandbox may have its own way through the filter, told by such arguments; a guess must not be enough.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    struct { uint64_t flags, rest[10], more[22]; } arguments = {.flags = CLONE_NEWUSER};
    arguments.rest[3] = SIGCHLD;
    static const size_t sizes[] = {64, 80, 88, 96, 128, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint64_t six = 0; six < 4; six++) {
            long pid = syscall(SYS_clone3, &arguments, sizes[i], six, ~six, -six, six << 32);
            if (pid == 0) {
                _exit(0);
            }
            if (pid > 0 || (errno != ENOSYS && errno != EPERM)) {
                return verdict(GOT_THROUGH, "clone3 with %zu bytes: %s", sizes[i], strerror(errno));
            }
        }
    }
    return verdict(HELD, "clone3: %s", strerror(errno));
}
