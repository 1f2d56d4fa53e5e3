/* Makes a socket of AF_QIPCRTR.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("QIPCRTR")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(qipcrtr)", syscall(SYS_socket, 42, SOCK_DGRAM, 0));
}
