/* Makes a socket of AF_IUCV.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("AF_IUCV")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(iucv)", syscall(SYS_socket, 32, SOCK_STREAM, 0));
}
