/* Enters a ring that somebody else might have made.
 * Matters: a ring can be passed along like any descriptor.
 * Held by: seccomp.
 * may-lack: a kernel without io_uring */
#include "hostile.h"

int main(void) {
    return reached("io_uring_enter", syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
}
