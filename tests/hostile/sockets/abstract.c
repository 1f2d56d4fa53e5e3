/* Connects to an abstract socket of the host.
 * Matters: they have no path that a mount could hide: X11, D-Bus and containerd's shim (CVE-2020-15257) listen there.
 * Held by: the network namespace; Landlock's scope.
 * harm: connected */
#include "hostile.h"

#include <stddef.h>
#include <sys/un.h>

int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", given("HOSTILE_ABSTRACT"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    char byte;
    /* The answer shows that whoever listens saw the connection. */
    return worked("connected", connect(fd, (void *)&address, size) == 0 && read(fd, &byte, 1) == 1);
}
