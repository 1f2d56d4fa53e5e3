/* Makes a socket of AF_VSOCK.
 * Matters: reaches the host of a virtual machine and its other guests, past every network namespace.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("AF_VSOCK")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(vsock)", syscall(SYS_socket, 40, SOCK_STREAM, 0));
}
