/* Asks for quotas (of a disk at an address that does not exist).
 * Matters: limits of others.
 * Held by: seccomp.
 * may-lack: a kernel without quotas */
#include "hostile.h"

int main(void) {
    return reached("quotactl", syscall(SYS_quotactl, 0x800001 << 8, (void *)1, 0, NULL));
}
