/* Makes a socket of SCTP.
 * Matters: large, loaded on demand (CVE-2019-8956).
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("SCTP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(sctp)", syscall(SYS_socket, 2, SOCK_STREAM, 132));
}
