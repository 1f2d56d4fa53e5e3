/* Takes descriptors out of every other process with pidfd_getfd.
 * Matters: PID 1 holds the socket on which commands are asked for, and a lock of the host's.
 * Held by: PID 1 is not dumpable. */
#include "hostile.h"

static bool stolen(pid_t pid) {
    int pidfd = pid == getpid() ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    for (int fd = 0; pidfd >= 0 && fd < 32; fd++) {
        if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0) {
            return true;
        }
    }
    return false;
}

int main(void) {
    return worked("took a descriptor of another process", any_process(stolen));
}
