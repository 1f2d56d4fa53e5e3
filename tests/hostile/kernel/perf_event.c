/* Opens a performance counter.
 * Matters: counters see the kernel and other processes (CVE-2013-2094, CVE-2023-2235).
 * Held by: seccomp.
 * may-lack: a kernel without performance events */
#include "hostile.h"

int main(void) {
    return reached("perf_event", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}
