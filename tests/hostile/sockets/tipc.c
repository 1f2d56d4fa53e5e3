/* Makes a socket of AF_TIPC.
 * Matters: CVE-2021-43267: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("TIPC")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(tipc)", syscall(SYS_socket, 30, SOCK_SEQPACKET, 0));
}
