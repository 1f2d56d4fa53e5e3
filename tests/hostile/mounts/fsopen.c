/* Opens a new file system with the system calls of Linux 5.2.
 * Matters: parsing its options has been an escape (CVE-2022-0185).
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("fsopen", syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */));
}
