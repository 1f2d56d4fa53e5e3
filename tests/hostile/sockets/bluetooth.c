/* Makes a socket of AF_BLUETOOTH.
 * Matters: devices of the host; BleedingTooth.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("HCI")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(bluetooth)", syscall(SYS_socket, 31, SOCK_RAW, 1));
}
