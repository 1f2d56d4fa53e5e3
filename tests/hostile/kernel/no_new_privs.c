/* Takes back the promise of no new privileges, and its filter of system calls.
 * Matters: both hold for good, or they hold nothing.
 * Held by: the kernel.
 * control: root */
#include "hostile.h"

int main(void) {
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) {
        return verdict(GOT_THROUGH, "new privileges may be had");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) {
        return verdict(GOT_THROUGH, "took back the promise");
    }
    return worked("took back the filter", prctl(PR_SET_SECCOMP, 0) == 0);
}
