/* Moves a file out of the workspace and another one in, also by exchange.
 * Matters: a file of the host that is moved in is a file of the sandbox.
 * Held by: the root file system; renames do not cross mounts.
 * harm: file */
#include "hostile.h"

int main(void) {
    bool moved = rename("file", stage("sibling/planted")) == 0 || rename(stage("sibling/secret"), "stolen") == 0 ||
                 syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, stage("sibling/secret"), 2 /* RENAME_EXCHANGE */) == 0;
    return worked("moved a file across the wall", moved);
}
