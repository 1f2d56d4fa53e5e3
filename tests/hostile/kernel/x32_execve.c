/* Calls execve by a number that only x32 has.
 * Matters: the numbers from 512 on name other calls for x32.
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without x32 */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("x32_execve", syscall(0x40000000 | 520 /* execve */, NULL, NULL, NULL));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
