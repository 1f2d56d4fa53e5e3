/* Crashes with a core limit raised as far as it goes.
 * Matters: the dump is written by the kernel, or by a handler that runs as root of the host and trusts what it is told.
 * Held by: a hard limit on cores, which cannot be raised again. (A handler behind a pipe ignores the limit, but not 1.)
 * may-lack: the machine lets nobody dump core */
#include "hostile.h"

#include <sys/resource.h>

int main(void) {
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_CORE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
        limit = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_CORE, &limit);
        abort();
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WCOREDUMP(status) && is_control()) {
        return verdict(COULD_NOT_TRY, "no core here either");
    }
    return worked("core dumped", WCOREDUMP(status));
}
