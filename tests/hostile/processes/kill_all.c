/* Kills every process that it may, with one call.
 * Matters: as the user who started the sandbox, that is the whole session; as root, the machine.
 * Held by: the process namespace.
 * harm: victim
 * death: it may end what watches over it */
#include "hostile.h"

int main(void) {
    pid_t victim = atoi(given("HOSTILE_VICTIM"));
    bool seen = kill(victim, 0) == 0;
    bool struck = kill(-1, SIGKILL) == 0;
    /* What watches over this command may be gone too, and this command with it: the host's side judges. */
    return worked("killed a process of the host", seen && struck);
}
