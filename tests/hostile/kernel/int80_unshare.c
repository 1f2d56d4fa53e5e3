/* Makes a user namespace by `int 0x80`.
 * Matters: the numbers of 32-bit calls differ; a filter that compares numbers judges another call than the one that is made.
 * Held by: seccomp looks at the architecture, and kills.
 * machine: x86_64
 * may-lack: a kernel without 32-bit calls */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(310), "b"(CLONE_NEWUSER) : "memory", "r8", "r9", "r10", "r11");
    errno = result < 0 ? -result : 0;
    return reached("int80_unshare", result < 0 ? -1 : result);
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
