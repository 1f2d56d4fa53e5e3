/* Asks for access to all ports of the hardware (at a level that does not exist).
 * Matters: the hardware is below every wall.
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without iopl */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("iopl", syscall(SYS_iopl, 4));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
