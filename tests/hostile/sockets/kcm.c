/* Makes a socket of AF_KCM.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("KCM")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(kcm)", syscall(SYS_socket, 41, SOCK_DGRAM, 0));
}
