/* Makes a socket of AF_RDS.
 * Matters: CVE-2010-3904 and later: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("RDS")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(rds)", syscall(SYS_socket, 21, SOCK_SEQPACKET, 0));
}
