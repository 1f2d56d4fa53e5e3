/* Makes a user namespace by the number of the x32 interface.
 * Matters: a filter that compares numbers only lets these through.
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without x32 */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("x32_unshare", syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
