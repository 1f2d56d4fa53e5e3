/* Gives the machine another name.
 * Matters: logs and certificates go by it.
 * Held by: seccomp; a UTS namespace of the sandbox's own.
 * control: root
 * harm: hostname */
#include "hostile.h"

int main(void) {
    char name[65] = "owned";
    if (!is_control()) {
        /* The name that it has: should this succeed on the machine itself, nothing comes of it. */
        gethostname(name, sizeof name - 1);
    }
    return reached("sethostname", sethostname(name, strlen(name)));
}
