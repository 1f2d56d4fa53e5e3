/* Connects to every socket that /proc/net/unix lists.
 * Matters: the list tells paths and abstract names of the host, and of PID 1's own listener.
 * Held by: the list is that of the network namespace; paths lead nowhere inside.
 * harm: connected */
#include "unix.h"

#include <stddef.h>

int main(void) {
    FILE *list = fopen("/proc/net/unix", "r");
    char line[512], name[256];
    while (list != NULL && fgets(line, sizeof line, list) != NULL) {
        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %255s", name) != 1) {
            continue;
        }
        if (name[0] == '/' && reaches(name)) {
            return verdict(GOT_THROUGH, "connected to %s", name);
        }
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name + 1);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
        char byte;
        if (name[0] == '@' && connect(fd, (void *)&address, size) == 0 && read(fd, &byte, 1) == 1) {
            return verdict(GOT_THROUGH, "connected to %s", name);
        }
        close(fd);
    }
    return verdict(HELD, "no socket of the list");
}
