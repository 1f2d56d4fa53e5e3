/* Runs away from whoever ends one process after the other: each process forks the next and exits at once.
 * Matters: no list of processes is complete before it is old.
 * Held by: the kernel kills a process namespace as a whole; frozen or stopped processes fork no more.
 * life: ready */
#include "life.h"

int main(void) {
    for (int chain = 0; chain < 4; chain++) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                live_on();
            }
            /* Every link of this chain is the parent of the next one, and nobody's child. */
            for (;;) {
                usleep(200);
                if (fork() != 0) {
                    _exit(0);
                }
            }
        }
    }
    return ready();
}
