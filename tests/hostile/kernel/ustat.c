/* Asks for a file system by its device number.
 * Matters: file systems that are not mounted here.
 * Held by: seccomp.
 * machine: x86_64 */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("ustat", syscall(SYS_ustat, 0, NULL));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
