/* Makes a socket of netlink's list of sockets.
 * Matters: tells who talks to whom.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(4)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_diag)", syscall(SYS_socket, 16, SOCK_RAW, 4));
}
