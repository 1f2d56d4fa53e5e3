/* Counts the file systems that the kernel knows.
 * Matters: left over from old kernels.
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without it */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("sysfs_call", syscall(SYS_sysfs, 3));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
