/* Reads the name of the host.
 * Matters: tells whose machine it is.
 * Held by: a UTS namespace with the sandbox's own name. */
#include "hostile.h"

#include <sys/utsname.h>

int main(void) {
    struct utsname names;
    uname(&names);
    return worked(names.nodename, strcmp(names.nodename, given("HOSTILE_HOSTNAME")) == 0);
}
