/* Makes a socket of AF_PPPOX.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("PPP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(pppox)", syscall(SYS_socket, 24, SOCK_STREAM, 0));
}
