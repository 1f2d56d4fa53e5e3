/* Makes a socket of AF_XDP.
 * Matters: packets past the network stack.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("XDP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(xdp)", syscall(SYS_socket, 44, SOCK_RAW, 0));
}
