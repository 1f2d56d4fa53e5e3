/* Makes a mount namespace of its own.
 * Matters: needed to change what is mounted where nobody sees it.
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWNS)", unshare(CLONE_NEWNS));
}
