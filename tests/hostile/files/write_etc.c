/* Opens files of /etc for writing.
 * Matters: what is read by root outside runs as root outside.
 * Held by: read-only mounts and generated files that belong to inner root.
 * control: root
 * inner-root: these are files of its own; see write_host_etc */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/etc/passwd", "/etc/ld.so.cache", "/etc/hosts", "/etc/resolv.conf", "/etc/profile"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s opened for writing", files[i]);
        }
    }
    return verdict(HELD, "none: %s", strerror(errno));
}
