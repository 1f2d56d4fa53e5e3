/* Makes a socket of AF_CAN.
 * Matters: the bus of a vehicle; CVE-2021-32606.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("CAN")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(can)", syscall(SYS_socket, 29, SOCK_RAW, 1));
}
