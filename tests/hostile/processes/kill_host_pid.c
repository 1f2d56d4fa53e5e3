/* Kills a process of the host by its number there, and by its process group.
 * Matters: numbers are small and can be guessed.
 * Held by: the process namespace, where the number means nothing.
 * harm: victim */
#include "hostile.h"

int main(void) {
    pid_t victim = atoi(given("HOSTILE_VICTIM"));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", victim);
    bool seen = access(path, F_OK) == 0;
    bool killed = kill(victim, SIGKILL) == 0;
    return worked("killed a process of the host", seen && killed);
}
