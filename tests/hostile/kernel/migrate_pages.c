/* Moves the memory of a process between nodes.
 * Matters: as move_pages.
 * Held by: seccomp.
 * may-lack: a kernel without NUMA */
#include "hostile.h"

int main(void) {
    return reached("migrate_pages", syscall(SYS_migrate_pages, 0, 0, NULL, NULL));
}
