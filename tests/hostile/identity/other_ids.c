/* Becomes another user, root and nobody.
 * Matters: the ids of others.
 * Held by: no capability to change ids; only the sandbox's own ids are mapped.
 * control: root
 * inner-root: it may become any user of its own sandbox; see host_ids */
#include "hostile.h"

#include <grp.h>

int main(void) {
    return worked("became another user", setresuid(1, 1, 1) == 0 || setresgid(1, 1, 1) == 0 || setgroups(0, NULL) == 0);
}
