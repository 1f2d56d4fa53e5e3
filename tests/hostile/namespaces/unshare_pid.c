/* Makes a process namespace of its own.
 * Matters: processes that the sandbox's own tools do not name.
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWPID)", unshare(CLONE_NEWPID));
}
