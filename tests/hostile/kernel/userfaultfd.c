/* Asks to handle its own page faults.
 * Matters: stops the kernel in the middle of a copy, which makes races certain.
 * Held by: seccomp.
 * may-lack: a kernel without userfaultfd
 * control: root */
#include "hostile.h"

int main(void) {
    return reached("userfaultfd", syscall(SYS_userfaultfd, 0));
}
