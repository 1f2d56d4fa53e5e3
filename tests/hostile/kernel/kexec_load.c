/* Loads another kernel (with arguments that no kernel accepts).
 * Matters: the machine.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without kexec */
#include "hostile.h"

int main(void) {
    return reached("kexec_load", syscall(SYS_kexec_load, 0, 17, NULL, 0xffffUL << 16));
}
