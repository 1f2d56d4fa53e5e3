/* Makes a socket of AF_VSOCK, with bits set in the upper half of the argument.
 * Matters: a filter compares 64 bits, the kernel looks at 32 of them.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("AF_VSOCK")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(vsock_high_bits)", syscall(SYS_socket, 0x100000000UL | 40, SOCK_STREAM, 0));
}
