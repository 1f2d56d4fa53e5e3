/* Leaves a daemon: forks twice, leaves its session, closes everything.
 * Matters: what outlives its sandbox is an intruder on the machine.
 * Held by: it dies with PID 1 of its namespace.
 * life: ready */
#include "life.h"

int main(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            live_on();
        }
        _exit(0);
    }
    return ready();
}
