/* Opens the names of programs that the kernel starts for writing.
 * Matters: they run as root of the host.
 * Held by: /proc/sys is read-only; host root is not among the mapped ids; Landlock.
 * control: root */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/usermodehelper/bset", "/proc/sys/kernel/poweroff_cmd"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        /* Opened only, so that a control harms nobody. */
        if (opens_for_writing(files[i])) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
