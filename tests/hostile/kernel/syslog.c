/* Reads the log of the kernel (none of it).
 * Matters: it tells addresses, and the doings of others.
 * Held by: seccomp.
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("syslog", syscall(SYS_syslog, 2 /* read */, NULL, 0));
}
