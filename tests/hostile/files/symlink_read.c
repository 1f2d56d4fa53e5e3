/* Reads the secret through a symbolic link in the workspace.
 * Matters: a link that the inside makes must mean the inside's files only.
 * Held by: the root file system: links are resolved inside. */
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
    return worked("read through a link", steals("link"));
}
