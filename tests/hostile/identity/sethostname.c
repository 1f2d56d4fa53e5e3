/* Gives the machine another name.
 * Matters: logs and certificates go by it.
 * Held by: seccomp; a UTS namespace of the sandbox's own.
 * control: root
 * harm: hostname */
#include "hostile.h"

int main(void) {
    return reached("sethostname", sethostname("owned", 5));
}
