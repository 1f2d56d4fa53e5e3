/* Calls fsconfig and fsmount on no file system at all.
 * Matters: shows whether these calls reach the kernel.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    int one = reached("fsconfig", syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0));
    int two = reached("fsmount", syscall(SYS_fsmount, -1, 0, 0));
    return one == GOT_THROUGH || two == GOT_THROUGH ? GOT_THROUGH : one;
}
