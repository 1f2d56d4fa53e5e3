/* Asks to be scheduled before all others.
 * Matters: an endless loop with real-time priority stops a CPU of the host.
 * Held by: needs CAP_SYS_NICE in the host's user namespace, or a limit that nobody raised.
 * control: root */
#include "hostile.h"

int main(void) {
    struct sched_param parameters = {.sched_priority = 1};
    return worked("real-time priority", sched_setscheduler(0, SCHED_RR, &parameters) == 0 || nice(-5) != -1);
}
