/* Makes a namespace for IPC of its own.
 * Matters: more of the kernel than a command needs.
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWIPC)", unshare(CLONE_NEWIPC));
}
