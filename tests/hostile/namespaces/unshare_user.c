/* Makes a user namespace of its own.
 * Matters: its maker has every capability in it: most holes of the last years begin there.
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWUSER)", unshare(CLONE_NEWUSER));
}
