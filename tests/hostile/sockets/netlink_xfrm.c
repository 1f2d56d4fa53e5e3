/* Makes a socket of netlink's IPsec.
 * Matters: CVE-2017-16939.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(6)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_xfrm)", syscall(SYS_socket, 16, SOCK_RAW, 6));
}
