/* Loads a library the way of 1992.
 * Matters: nobody has looked at this code for decades (CVE-2004-1235).
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel of this decade */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("uselib", syscall(SYS_uselib, NULL));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
