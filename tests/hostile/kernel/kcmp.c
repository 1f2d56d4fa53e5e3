/* Compares what two processes have in common.
 * Matters: orders objects by their addresses in the kernel.
 * Held by: seccomp.
 * may-lack: a kernel without kcmp */
#include "hostile.h"

int main(void) {
    return reached("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
}
