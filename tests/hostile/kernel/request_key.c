/* Asks for a key that is not there.
 * Matters: the kernel may start /sbin/request-key as root of the host.
 * Held by: seccomp.
 * may-lack: a kernel without keys */
#include "hostile.h"

int main(void) {
    return reached("request_key", syscall(SYS_request_key, "user", "hostile", NULL, 0));
}
