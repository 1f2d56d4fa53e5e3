/* Switches accounting on (to a file at an address that does not exist).
 * Matters: the kernel writes into the file, as root.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without accounting */
#include "hostile.h"

int main(void) {
    return reached("acct", syscall(SYS_acct, (void *)1));
}
