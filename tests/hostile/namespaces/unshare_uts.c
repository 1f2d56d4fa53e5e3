/* Makes a host name of its own.
 * Matters: more of the kernel than a command needs.
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWUTS)", unshare(CLONE_NEWUTS));
}
