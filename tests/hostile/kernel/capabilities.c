/* Gives itself every capability.
 * Matters: half of the kernel asks for nothing else.
 * Held by: empty capability sets; inner root's bounding set holds what package managers need.
 * control: root */
#include "hostile.h"

struct header { uint32_t version; int pid; };
struct data { uint32_t effective, permitted, inheritable; };

int main(void) {
    struct header header = {0x20080522, 0};
    struct data sets[2] = {{0}};
    syscall(SYS_capget, &header, sets);
    /* CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE: more than any command may have. */
    uint32_t more = 1U << 21 | 1U << 12 | 1U << 19;
    sets[0].effective |= more;
    sets[0].permitted |= more;
    return worked("raised its capabilities", syscall(SYS_capset, &header, sets) == 0);
}
