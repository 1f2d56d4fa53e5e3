/* Asks for its session keyring.
 * Matters: keyrings belong to no namespace: a user of the same number shares them.
 * Held by: seccomp.
 * may-lack: a kernel without keys */
#include "hostile.h"

int main(void) {
    return reached("keyctl", syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
}
