/* Makes a socket of AF_INET6 with packets of its own making.
 * Matters: forged packets.
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without IPv6 */
#include "hostile.h"

int main(void) {
    return reached("socket(raw6)", syscall(SYS_socket, 10, SOCK_RAW, 58));
}
