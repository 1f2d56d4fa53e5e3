/* Asks for the size of the log of the kernel.
 * Matters: the harmless end of syslog, allowed to everybody where dmesg is.
 * Held by: seccomp.
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("syslog_size", syscall(SYS_syslog, 10 /* size of the buffer */, NULL, 0));
}
