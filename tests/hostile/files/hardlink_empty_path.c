/* Links an open file into the workspace, by its descriptor (AT_EMPTY_PATH) and by /proc/self/fd.
 * Matters: needs no path that a mount could hide.
 * Held by: links do not cross mounts; AT_EMPTY_PATH needs a capability of the file's own user namespace. */
#include "hostile.h"

int main(void) {
    const char *const files[] = {"/etc/os-release", "/etc/ld.so.cache", "/usr/bin/env", stage("sibling/secret")};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_RDONLY);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        unlink("hard");
        bool linked = fd >= 0 && (linkat(fd, "", AT_FDCWD, "hard", AT_EMPTY_PATH) == 0 ||
                                  linkat(AT_FDCWD, path, AT_FDCWD, "hard", AT_SYMLINK_FOLLOW) == 0);
        unlink("hard");
        if (linked) {
            return verdict(GOT_THROUGH, "linked %s by its descriptor", files[i]);
        }
    }
    return verdict(HELD, "no file could be linked: %s", strerror(errno));
}
