/* What the programs of this directory leave behind: a process that waits for nothing.
 * Matters: see the others.
 * Held by: see the others.
 * part-of: life/daemon */
#include "hostile.h"

int main(void) {
    for (;;) {
        pause();
    }
}
