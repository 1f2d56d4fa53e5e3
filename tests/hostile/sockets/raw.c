/* Makes a socket of AF_INET with packets of its own making.
 * Matters: forged packets.
 * Held by: seccomp allows the families that programs need. */
#include "hostile.h"

int main(void) {
    return reached("socket(raw)", syscall(SYS_socket, 2, SOCK_RAW, 1));
}
