/* Raises its limit of processes above what it was given.
 * Matters: a limit that can be raised is none.
 * Held by: hard limits; CAP_SYS_RESOURCE counts in the host's user namespace only.
 * create: --pids-limit 64
 * control: root
 * may-lack: root without CAP_SYS_RESOURCE, as in some virtual machines */
#include "hostile.h"

#include <sys/resource.h>

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    struct rlimit more = {limit.rlim_max, RLIM_INFINITY};
    bool raised = limit.rlim_max != RLIM_INFINITY && setrlimit(RLIMIT_NPROC, &more) == 0;
    if (!raised && is_control()) {
        return verdict(COULD_NOT_TRY, "%s", strerror(errno));
    }
    return worked("raised a hard limit", raised);
}
