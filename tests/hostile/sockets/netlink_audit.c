/* Makes a socket of netlink's audit.
 * Matters: reads and forges the host's audit log.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(9)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_audit)", syscall(SYS_socket, 16, SOCK_RAW, 9));
}
