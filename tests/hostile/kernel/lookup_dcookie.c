/* Turns a cookie of a profiler into a path.
 * Matters: paths of the host.
 * Held by: seccomp.
 * may-lack: a kernel of this decade */
#include "hostile.h"

int main(void) {
    return reached("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, NULL, 0));
}
