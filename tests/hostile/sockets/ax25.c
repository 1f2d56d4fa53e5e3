/* Makes a socket of AF_AX25.
 * Matters: amateur radio: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("AX25")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(ax25)", syscall(SYS_socket, 3, SOCK_DGRAM, 0));
}
