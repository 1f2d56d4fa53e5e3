/* Kills a process of the host through a descriptor of it.
 * Matters: pidfd_open and pidfd_send_signal are newer than many filters.
 * Held by: the process namespace.
 * harm: victim */
#include "hostile.h"

int main(void) {
    int pidfd = (int)syscall(SYS_pidfd_open, atoi(given("HOSTILE_VICTIM")), 0);
    return worked("killed a process by its descriptor", pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0);
}
