/* Sends an echo request to the world.
 * Matters: a channel that no proxy sees.
 * Held by: the network namespace has no route.
 * may-lack: a machine whose net.ipv4.ping_group_range is empty */
#include "inet.h"

int main(void) {
    struct sockaddr_in to = inet("192.0.2.1", 0);
    static const char echo[8] = {8};
    int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (fd < 0 && is_control()) {
        fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    }
    return worked("sent an echo request", fd >= 0 && sendto(fd, echo, sizeof echo, 0, (void *)&to, sizeof to) == sizeof echo);
}
