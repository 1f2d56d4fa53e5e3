/* Looks for the tables of the firmware.
 * Matters: tells the machine apart from all others; powercap measures what others compute (CVE-2020-8694).
 * Held by: no such directories; masks. */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/class/dmi/id", "/sys/kernel"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        DIR *dir = opendir(files[i]);
        int entries = 0;
        while (dir != NULL && readdir(dir) != NULL) {
            entries++;
        }
        if (entries > 2) {
            return verdict(GOT_THROUGH, "%s", files[i]);
        }
    }
    return verdict(HELD, "%s", strerror(errno));
}
