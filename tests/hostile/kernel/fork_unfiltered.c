/* Makes a user namespace in a grandchild that left its session and runs another program.
 * Matters: filters and Landlock must be inherited by all that comes of a command.
 * Held by: seccomp is inherited over fork and execve. */
#include "hostile.h"

static int grandchild(void) {
    setsid();
    return reached("unshare in a grandchild", unshare(CLONE_NEWUSER));
}

static int child(void) {
    return in_child(grandchild);
}

int main(void) {
    return in_child(child);
}
