/* Opens the table of interpreters for writing.
 * Matters: the next program of that kind that anybody starts runs the one of the attacker.
 * Held by: /proc/sys is read-only.
 * control: root
 * may-lack: a machine where it is not mounted */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/binfmt_misc/status"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only, so that a control harms nobody. */
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    if (is_control() && access(files[0], F_OK) != 0) {
        return verdict(COULD_NOT_TRY, "not mounted");
    }
    return verdict(HELD, "%s", strerror(errno));
}
