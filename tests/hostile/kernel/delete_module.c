/* Unloads a module (without a name).
 * Matters: what it guards is unguarded.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without modules */
#include "hostile.h"

int main(void) {
    return reached("delete_module", syscall(SYS_delete_module, NULL, 0));
}
