/* Makes a socket of AF_ALG, the kernel's ciphers.
 * Matters: loads modules by name and has had holes enough.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("ALG")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(alg)", syscall(SYS_socket, 38, SOCK_SEQPACKET, 0));
}
