/* Hands a capability down to a program that it starts.
 * Matters: ambient capabilities survive execve where setuid programs do not work.
 * Held by: empty capability sets.
 * control: root
 * inner-root: it may hand down the few that it has, to itself */
#include "hostile.h"

struct header { uint32_t version; int pid; };
struct data { uint32_t effective, permitted, inheritable; };

int main(void) {
    struct header header = {0x20080522, 0};
    struct data sets[2] = {{0}};
    syscall(SYS_capget, &header, sets);
    sets[0].inheritable = sets[0].permitted;
    syscall(SYS_capset, &header, sets);
    for (int capability = 0; capability < 32; capability++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0) {
            return verdict(GOT_THROUGH, "capability %d is ambient", capability);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
