/* Sends datagrams to the host's loopback and to the world.
 * Matters: DNS and QUIC carry secrets away.
 * Held by: the network namespace has no route, and its loopback is its own.
 * harm: connected */
#include "inet.h"

int main(void) {
    static const char *const addresses[] = {"127.0.0.1", "192.0.2.1", "8.8.8.8"};
    int port = atoi(given("HOSTILE_UDP_PORT"));
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct sockaddr_in to = inet(addresses[i], port);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        char byte;
        if (fd < 0 || connect(fd, (void *)&to, sizeof to) != 0 || send(fd, "x", 1, 0) != 1) {
            continue;
        }
        /* The witness answers. That nobody listens is told at once; silence means that it went somewhere. */
        struct timeval patience = {.tv_sec = 1};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (recv(fd, &byte, 1, 0) >= 0 || errno != ECONNREFUSED) {
            return verdict(GOT_THROUGH, "a datagram went to %s", addresses[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
