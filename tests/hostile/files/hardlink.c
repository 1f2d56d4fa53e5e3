/* Links files that are only readable into the workspace, where everything is writable.
 * Matters: the link is the file itself: writing to it writes the original.
 * Held by: the system files lie on mounts of their own; a link does not cross mounts. */
#include "hostile.h"

int main(void) {
    const char *const files[] = {"/etc/os-release", "/etc/ld.so.cache", "/usr/bin/env", "/etc/passwd", stage("sibling/secret")};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink("hard");
        bool linked = linkat(AT_FDCWD, files[i], AT_FDCWD, "hard", AT_SYMLINK_FOLLOW) == 0;
        unlink("hard");
        if (linked) {
            return verdict(GOT_THROUGH, "linked %s", files[i]);
        }
    }
    return verdict(HELD, "no file could be linked: %s", strerror(errno));
}
