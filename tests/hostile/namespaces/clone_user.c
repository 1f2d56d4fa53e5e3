/* Makes a user namespace by clone.
 * Matters: a filter that looks at unshare only is walked around.
 * Held by: seccomp looks at the flags of clone. */
#include "hostile.h"

int main(void) {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        _exit(0);
    }
    return reached("clone(CLONE_NEWUSER)", pid);
}
