/* Looks for a file below /sys that opens for writing.
 * Matters: /sys/kernel/uevent_helper and many others run programs as root or break the machine.
 * Held by: there is no /sys but a read-only minimum.
 * control: root */
#include "hostile.h"

static bool search(const char *dir, int depth) {
    DIR *entries = opendir(dir);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        if (entry->d_type == DT_DIR) {
            found = depth > 0 && search(path, depth - 1);
        } else if (entry->d_type == DT_REG && opens_for_writing(path)) {
            printf("%s\n", path);
            found = true;
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

int main(void) {
    return worked("a file below /sys opens for writing", search("/sys/kernel", 2) || search("/sys/power", 1) || search("/sys", 6));
}
