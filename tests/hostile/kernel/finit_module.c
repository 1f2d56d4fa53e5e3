/* Loads a module from a file (without one).
 * Matters: code in the kernel.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without modules */
#include "hostile.h"

int main(void) {
    return reached("finit_module", syscall(SYS_finit_module, -1, "", 0));
}
