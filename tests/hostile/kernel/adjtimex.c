/* Adjusts the clock, the older way (by nothing).
 * Matters: as settimeofday.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("adjtimex", syscall(SYS_adjtimex, NULL));
}
