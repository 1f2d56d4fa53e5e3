/* Calls bpf by its number of the x32 interface.
 * Matters: a filter that compares numbers only lets these through.
 * Held by: seccomp.
 * machine: x86_64
 * control: root
 * may-lack: a kernel without x32 */
#include "hostile.h"

int main(void) {
#ifdef __x86_64__
    return reached("x32_bpf", syscall(0x40000000 | SYS_bpf, 0, NULL, 0));
#else
    return verdict(COULD_NOT_TRY, "not this machine");
#endif
}
