/* Makes a mount namespace in a thread.
 * Matters: filters belong to threads, not to processes.
 * Held by: seccomp is inherited by threads. */
#include "hostile.h"

#include <pthread.h>

static void *thread(void *verdict_of) {
    *(int *)verdict_of = reached("unshare in a thread", unshare(CLONE_NEWNS));
    return NULL;
}

int main(void) {
    pthread_t handle;
    int code = COULD_NOT_TRY;
    if (pthread_create(&handle, NULL, thread, &code) != 0) {
        return verdict(COULD_NOT_TRY, "no threads: %s", strerror(errno));
    }
    pthread_join(handle, NULL);
    return code;
}
