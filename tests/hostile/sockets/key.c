/* Makes a socket of AF_KEY.
 * Matters: the keys of IPsec, old code (CVE-2022-1353).
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("KEY")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(key)", syscall(SYS_socket, 15, SOCK_RAW, 2));
}
