/* Makes a socket of DCCP.
 * Matters: CVE-2017-6074.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("DCCP")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(dccp)", syscall(SYS_socket, 2, 6, 33));
}
