/* Reads the id of the machine.
 * Matters: the same number in two places ties them together.
 * Held by: a generated /etc/machine-id.
 * may-lack: a machine without an id */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/etc/machine-id", "/var/lib/dbus/machine-id"};
    const char *wanted = getenv("HOSTILE_MACHINE_ID");
    if (wanted == NULL || *wanted == 0) {
        return verdict(is_control() ? COULD_NOT_TRY : HELD, "the machine has none");
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char text[64] = "";
        int fd = open(files[i], O_RDONLY);
        if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strncmp(text, wanted, strlen(wanted)) == 0) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "another one");
}
