/* Lets the kernel send signals to a process of the host: F_SETOWN on a pipe, a timer, a message queue.
 * Matters: the kernel remembers who asked, and checks it late.
 * Held by: process numbers are of the sandbox's own namespace.
 * harm: victim */
#include "hostile.h"

int main(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return verdict(COULD_NOT_TRY, "no sockets");
    }
    pid_t victim = atoi(given("HOSTILE_VICTIM"));
    bool owned = fcntl(pair[0], F_SETOWN, victim) == 0 && fcntl(pair[0], F_SETSIG, SIGKILL) == 0 &&
                 fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0;
    bool sent = owned && write(pair[1], "x", 1) == 1;
    return worked("the kernel sends signals across the wall", sent && fcntl(pair[0], F_GETOWN) == victim);
}
