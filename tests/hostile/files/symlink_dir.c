/* Makes a file beside the workspace through a link to that directory, relative and absolute.
 * Matters: as symlink_write, with names of the attacker's choice.
 * Held by: the root file system.
 * harm: file */
#include "hostile.h"

int main(void) {
    /* Inner root may not make files in the workspace. */
    if (getuid() == 0 && !is_control()) {
        (void)!chdir("/tmp");
    }
    unlink("there");
    unlink("up");
    if (symlink(stage("sibling"), "there") != 0 || symlink("../sibling", "up") != 0) {
        return verdict(COULD_NOT_TRY, "no link: %s", strerror(errno));
    }
    bool made = open("there/planted", O_CREAT | O_WRONLY, 0644) >= 0 || open("up/planted", O_CREAT | O_WRONLY, 0644) >= 0;
    return worked("made a file beside the workspace", made);
}
