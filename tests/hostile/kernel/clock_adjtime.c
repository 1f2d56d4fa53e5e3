/* Adjusts the clock (by nothing).
 * Matters: as settimeofday.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("clock_adjtime", syscall(SYS_clock_adjtime, 0, NULL));
}
