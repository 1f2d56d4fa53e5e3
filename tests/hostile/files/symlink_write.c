/* Writes over the secret through a symbolic link in the workspace.
 * Matters: as for reading, and worse.
 * Held by: the root file system.
 * harm: file */
#include "hostile.h"

int main(void) {
    /* Inner root may not make files in the workspace. */
    if (getuid() == 0 && !is_control()) {
        (void)!chdir("/tmp");
    }
    unlink("link");
    if (symlink(stage("sibling/secret"), "link") != 0) {
        return verdict(COULD_NOT_TRY, "no link: %s", strerror(errno));
    }
    return worked("wrote through a link", put("link", "owned\n"));
}
