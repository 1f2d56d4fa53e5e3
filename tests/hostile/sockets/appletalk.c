/* Makes a socket of AF_APPLETALK.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("DDP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(appletalk)", syscall(SYS_socket, 5, SOCK_DGRAM, 0));
}
