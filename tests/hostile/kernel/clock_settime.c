/* Sets a clock (one that does not exist).
 * Matters: as settimeofday.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("clock_settime", syscall(SYS_clock_settime, 99, NULL));
}
