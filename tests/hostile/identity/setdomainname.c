/* Gives the machine another NIS domain (none, of a size that no kernel takes).
 * Matters: as sethostname.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("setdomainname", syscall(SYS_setdomainname, "x", 9999));
}
