/* Moves to CPUs that the sandbox was not given.
 * Matters: builds of others become slow.
 * Held by: seccomp where CPUs are held by affinity; a cpuset.
 * create: --cpus 1
 * may-lack: a machine with one CPU */
#include "hostile.h"

int main(void) {
    cpu_set_t all, after;
    memset(&all, 0xff, sizeof all);
    CPU_ZERO(&after);
    sched_setaffinity(0, sizeof all, &all);
    sched_getaffinity(0, sizeof after, &after);
    if (sysconf(_SC_NPROCESSORS_CONF) < 2 && is_control()) {
        return verdict(COULD_NOT_TRY, "one CPU");
    }
    return worked("more than one CPU", CPU_COUNT(&after) > 1);
}
