/* Makes a socket of AF_SMC.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("SMC")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(smc)", syscall(SYS_socket, 43, SOCK_STREAM, 0));
}
