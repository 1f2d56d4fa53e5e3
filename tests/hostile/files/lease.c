/* Takes a lease on a file of its own.
 * Matters: in the workspace, whoever opens the file on the host waits for the holder, for 45 s each time.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    char path[] = "/tmp/lease-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        return verdict(COULD_NOT_TRY, "no file: %s", strerror(errno));
    }
    unlink(path);
    return reached("F_SETLEASE", syscall(SYS_fcntl, fd, F_SETLEASE, F_WRLCK));
}
