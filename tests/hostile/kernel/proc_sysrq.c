/* Opens the emergency keys for writing.
 * Matters: one letter restarts the machine.
 * Held by: a mask over the file; it belongs to host root, who is not among the mapped ids.
 * control: root
 * may-lack: a kernel without emergency keys */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/sysrq-trigger"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only, so that a control harms nobody. */
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(is_control() && errno == ENOENT ? COULD_NOT_TRY : HELD, "%s", strerror(errno));
}
