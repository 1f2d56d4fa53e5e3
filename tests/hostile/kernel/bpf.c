/* Asks for BPF.
 * Matters: programs in the kernel: its verifier has had holes each year.
 * Held by: seccomp.
 * may-lack: a kernel without BPF
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("bpf", syscall(SYS_bpf, 0, NULL, 0));
}
