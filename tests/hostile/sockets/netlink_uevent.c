/* Makes a socket of netlink's events of devices.
 * Matters: tells of the host's devices, and udev once believed what came from here.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(15)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_uevent)", syscall(SYS_socket, 16, SOCK_RAW, 15));
}
