/* Switches swap off (nowhere).
 * Matters: the host runs out of memory.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without swap */
#include "hostile.h"

int main(void) {
    return reached("swapoff", syscall(SYS_swapoff, NULL));
}
