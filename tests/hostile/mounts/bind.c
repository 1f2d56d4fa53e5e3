/* Binds a directory over another one.
 * Matters: what other programs of the sandbox, and its guards, see can be replaced.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("a", 0755);
    mkdir("b", 0755);
    return reached("mount(MS_BIND)", mount("a", "b", NULL, MS_BIND, NULL));
}
