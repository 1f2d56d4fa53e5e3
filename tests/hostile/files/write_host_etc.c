/* Opens those files of /etc for writing that are the host's own, not generated ones.
 * Matters: the host itself reads them.
 * Held by: read-only bind mounts.
 * control: root
 * inner-root: it writes to a layer of its own sandbox, for package managers */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/etc/ld.so.cache", "/etc/profile", "/etc/bash.bashrc", "/etc/services", "/etc/mke2fs.conf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s opened for writing", files[i]);
        }
    }
    return verdict(HELD, "none: %s", strerror(errno));
}
