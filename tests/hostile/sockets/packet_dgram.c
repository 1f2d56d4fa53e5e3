/* Makes a socket of AF_PACKET without headers.
 * Matters: as AF_PACKET.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("PACKET")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(packet_dgram)", syscall(SYS_socket, 17, SOCK_DGRAM, 0));
}
