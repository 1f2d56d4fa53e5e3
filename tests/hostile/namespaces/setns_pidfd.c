/* Enters the namespaces of PID 1 by a descriptor of the process (Linux 5.8).
 * Matters: needs no /proc.
 * Held by: seccomp; setns needs CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
    return reached("setns(pidfd)", setns(pidfd, CLONE_NEWNET | CLONE_NEWUTS));
}
