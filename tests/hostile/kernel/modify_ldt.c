/* Reads its table of segments.
 * Matters: code of old processors that nothing needs (CVE-2015-5157).
 * Held by: seccomp.
 * machine: x86_64
 * may-lack: a kernel without it */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("modify_ldt", syscall(SYS_modify_ldt, 0, NULL, 0));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
