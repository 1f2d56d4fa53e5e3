/* Copies the tree of mounts with the system calls of Linux 5.2.
 * Matters: a list of forbidden calls from before 2019 lacks them.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("open_tree(OPEN_TREE_CLONE)", syscall(SYS_open_tree, AT_FDCWD, ".", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC));
}
