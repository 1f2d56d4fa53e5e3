/* Opens core_pattern for writing.
 * Matters: the program that it names runs as root of the host when anything crashes: bubblewrap, sandbox-runtime and codex let root do it.
 * Held by: /proc/sys is read-only; host root is not among the mapped ids; Landlock.
 * control: root */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/sys/kernel/core_pattern"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only, so that a control harms nobody. */
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
