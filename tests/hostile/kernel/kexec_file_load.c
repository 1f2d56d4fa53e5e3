/* Loads another kernel from a file (with arguments that no kernel accepts).
 * Matters: the machine.
 * Held by: seccomp.
 * machine: x86_64
 * control: root
 * may-lack: a kernel without kexec */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0xffffUL));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
