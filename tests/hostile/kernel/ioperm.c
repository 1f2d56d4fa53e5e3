/* Asks for access to a port of the hardware (one that does not exist).
 * Matters: as iopl.
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without ioperm */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("ioperm", syscall(SYS_ioperm, 0x10000, 1, 1));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
