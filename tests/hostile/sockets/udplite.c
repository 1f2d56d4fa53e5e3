/* Makes a socket of UDP-Lite.
 * Matters: a transport that no firewall's rule names.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("UDP-Lite")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(udplite)", syscall(SYS_socket, 2, SOCK_DGRAM, 136));
}
