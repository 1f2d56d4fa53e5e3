/* Makes a socket of netlink's events of processes.
 * Matters: tells every process that the host starts.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(11)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_connector)", syscall(SYS_socket, 16, SOCK_DGRAM, 11));
}
