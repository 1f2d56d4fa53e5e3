/* Connects to addresses of IPv6.
 * Matters: a wall that was made for IPv4 only.
 * Held by: the network namespace has no route.
 * may-lack: a kernel without IPv6 */
#include "inet.h"

int main(void) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    static const char *const addresses[] = {"2001:db8::1", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:192.0.2.1"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        int fd = socket(AF_INET6, SOCK_DGRAM, 0);
        if (fd < 0 && is_control()) {
            return verdict(COULD_NOT_TRY, "no IPv6");
        }
        inet_pton(AF_INET6, addresses[i], &to.sin6_addr);
        to.sin6_scope_id = 1;
        if (fd >= 0 && connect(fd, (void *)&to, sizeof to) == 0 && send(fd, "x", 1, 0) == 1 && i != 1 && i != 3) {
            return verdict(GOT_THROUGH, "a datagram went to %s", addresses[i]);
        }
        close(fd);
    }
    return verdict(HELD, "%s", strerror(errno));
}
