/* Makes a socket of Multipath TCP.
 * Matters: Landlock does not judge where it connects to.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("MPTCP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(mptcp)", syscall(SYS_socket, 2, SOCK_STREAM, 262));
}
