/* Makes a socket of AF_LLC.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("LLC")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(llc)", syscall(SYS_socket, 26, SOCK_STREAM, 0));
}
