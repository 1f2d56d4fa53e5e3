/* Makes a socket of netlink's ciphers.
 * Matters: as AF_ALG.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(21)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_crypto)", syscall(SYS_socket, 16, SOCK_RAW, 21));
}
