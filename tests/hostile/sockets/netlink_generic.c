/* Makes a socket of generic netlink.
 * Matters: dozens of protocols of drivers.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(16)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_generic)", syscall(SYS_socket, 16, SOCK_RAW, 16));
}
