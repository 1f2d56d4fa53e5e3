/* Processes that will not end. */
#ifndef HOSTILE_LIFE_H
#define HOSTILE_LIFE_H

#include "hostile.h"

/* Ignores every signal that can be ignored, under the name by which the runner looks for it. */
__attribute__((noreturn)) static inline void live_on(void) {
    for (int signal_number = 1; signal_number < 65; signal_number++) {
        signal(signal_number, SIG_IGN);
    }
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    execl("/proc/self/exe", given("HOSTILE_MARK"), "life/sleeper", (char *)NULL);
    _exit(1);
}

/* Tells that the attack stands, and stays until the sandbox ends. */
__attribute__((noreturn)) static inline int ready(void) {
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        pause();
    }
}

#endif
