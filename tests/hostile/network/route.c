/* Gives its loopback another address and adds a route.
 * Matters: with CAP_NET_ADMIN the namespace's own network can be rebuilt, and netfilter be reached.
 * Held by: no CAP_NET_ADMIN. */
#include "hostile.h"

#include <net/if.h>

int main(void) {
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    request.ifr_mtu = 60000;
    return worked("changed an interface", fd >= 0 && ioctl(fd, SIOCSIFMTU, &request) == 0);
}
