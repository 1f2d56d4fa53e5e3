/* Makes a user namespace by clone3, whose flags lie in memory where no filter sees them.
 * Matters: a filter has to refuse the whole call, and with an errno that makes C libraries fall back to clone.
 * Held by: seccomp answers ENOSYS. */
#include "hostile.h"

int main(void) {
    struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } arguments = {
        .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        _exit(0);
    }
    return reached("clone3(CLONE_NEWUSER)", pid);
}
