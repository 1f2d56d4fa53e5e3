/* Becomes a user whose number is not the sandbox's own.
 * Matters: the kernel knows only numbers; host id 0 is root.
 * Held by: a map of ids that holds the sandbox's own only, and never host id 0.
 * control: root */
#include "hostile.h"

int main(void) {
    static const uid_t ids[] = {65536, 100000, 165536, 1000000, 524288};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (syscall(SYS_setresuid, ids[i], ids[i], ids[i]) == 0 || syscall(SYS_setresgid, ids[i], ids[i], ids[i]) == 0) {
            return verdict(GOT_THROUGH, "became %u", ids[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
