/* Connects to a service on the loopback of the host.
 * Matters: databases and development servers trust whoever reaches them there.
 * Held by: the network namespace has a loopback of its own.
 * harm: connected */
#include "inet.h"

int main(void) {
    char byte;
    int fd = stream_to("127.0.0.1", atoi(given("HOSTILE_PORT")));
    return worked("reached the host's loopback", fd >= 0 && read(fd, &byte, 1) == 1);
}
