/* Adds a key to a keyring.
 * Matters: kernel memory that is shared by user number, whatever the namespace.
 * Held by: seccomp.
 * may-lack: a kernel without keys */
#include "hostile.h"

int main(void) {
    return reached("add_key", syscall(SYS_add_key, "user", "hostile", "x", 1, -2 /* the process keyring */));
}
