/* Makes a socket of AF_PACKET.
 * Matters: all traffic of the namespace, and exploits (CVE-2017-7308, CVE-2020-14386).
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("PACKET")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(packet)", syscall(SYS_socket, 17, SOCK_RAW, 0x0300));
}
