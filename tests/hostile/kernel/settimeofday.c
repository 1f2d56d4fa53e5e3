/* Sets the clock (to a time at an address that does not exist).
 * Matters: certificates and logs believe the clock.
 * Held by: seccomp.
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("settimeofday", syscall(SYS_settimeofday, (void *)1, (void *)1));
}
