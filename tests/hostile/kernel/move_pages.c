/* Moves memory between nodes.
 * Matters: tells addresses (CVE-2017-14140), and nothing needs it.
 * Held by: seccomp.
 * may-lack: a kernel without NUMA */
#include "hostile.h"

int main(void) {
    return reached("move_pages", syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0));
}
