/* Makes a user namespace with further bits set in the upper half of the argument.
 * Matters: a filter compares 64 bits, the kernel looks at 32 of them.
 * Held by: seccomp looks at the half that the kernel looks at. */
#include "hostile.h"

int main(void) {
    long made = syscall(SYS_unshare, 0x100000000UL | CLONE_NEWUSER);
    if (made == 0) {
        return verdict(GOT_THROUGH, "unshare with high bits");
    }
    return reached("unshare with high bits", made);
}
