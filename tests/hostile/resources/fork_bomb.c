/* Starts 4500 processes: more than any sandbox may have unless told otherwise.
 * Matters: nobody sets limits before the first fork bomb.
 * Held by: the default of 4096 processes: pids.max of the cgroup, or RLIMIT_NPROC.
 * may-lack: a machine where this user may not have as many processes */
#include "hostile.h"

static char stacks[4600][1024] __attribute__((aligned(16)));

static int wait_for_the_end(void *nothing) {
    /* Without the C library, whose data all of them share. */
    syscall(SYS_rt_sigtimedwait, &(uint64_t){0}, NULL, NULL, 8);
    return 0;
}

int main(void) {
    enum { WANTED = 4500 };
    static pid_t pids[WANTED];
    int made = 0, failed = 0;
    for (; made < WANTED; made++) {
        /* Processes of their own that share this one's memory, which makes them cheap. */
        pids[made] = clone(wait_for_the_end, stacks[made] + sizeof stacks[made], CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);
        if (pids[made] < 0) {
            failed = errno;
            break;
        }
    }
    for (int i = 0; i < made; i++) {
        kill(pids[i], SIGKILL);
    }
    while (wait(NULL) > 0) {
    }
    errno = failed;
    if (made < WANTED && is_control()) {
        return verdict(COULD_NOT_TRY, "%d processes: %s", made, strerror(errno));
    }
    printf("%d processes\n", made);
    return worked("started them all", made == WANTED);
}
