/* Opens /proc/PID/mem of every other process for writing.
 * Matters: code written into PID 1 runs with what PID 1 may do.
 * Held by: PID 1 is not dumpable. */
#include "hostile.h"

static bool writable(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    return pid != getpid() && opens_for_writing(path);
}

int main(void) {
    return worked("the memory of another process opens for writing", any_process(writable));
}
