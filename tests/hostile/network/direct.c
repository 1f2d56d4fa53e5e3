/* Connects to addresses of the world, of private networks and of clouds, past the proxy.
 * Matters: what does not go through the proxy is judged by nobody.
 * Held by: the network namespace has no route.
 * harm: connected */
#include "inet.h"

int main(void) {
    static const char *const addresses[] = {"192.0.2.1", "10.0.0.1", "169.254.169.254", "172.17.0.1", "192.168.1.1"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char byte;
        int fd = stream_to(addresses[i], atoi(given("HOSTILE_PORT")));
        if (fd >= 0 && read(fd, &byte, 1) == 1) {
            return verdict(GOT_THROUGH, "reached %s", addresses[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
