/* Ignores and blocks all signals.
 * Matters: a polite end is not heard.
 * Held by: SIGKILL, which cannot be ignored.
 * life: ready */
#include "life.h"

int main(void) {
    if (fork() == 0) {
        live_on();
    }
    return ready();
}
