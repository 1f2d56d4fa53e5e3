/* Sets up a ring for asynchronous operations.
 * Matters: its operations pass no filter, and it has been the most fruitful source of exploits since 2020.
 * Held by: seccomp.
 * may-lack: a kernel without io_uring, or where it is switched off */
#include "hostile.h"

int main(void) {
    return reached("io_uring", syscall(SYS_io_uring_setup, 0, NULL));
}
