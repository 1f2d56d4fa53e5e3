/* Exchanges the root directory.
 * Matters: brings back what lies below the present root.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    mkdir("old", 0755);
    return reached("pivot_root", syscall(SYS_pivot_root, ".", "old"));
}
