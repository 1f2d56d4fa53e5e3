/* Loads a module (an empty one).
 * Matters: code in the kernel.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without modules */
#include "hostile.h"

int main(void) {
    return reached("init_module", syscall(SYS_init_module, NULL, 0, NULL));
}
