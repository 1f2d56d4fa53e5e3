/* Makes a socket of AF_NFC.
 * Matters: loaded on demand, never used.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (not_loaded("NFC")) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(nfc)", syscall(SYS_socket, 39, SOCK_SEQPACKET, 0));
}
