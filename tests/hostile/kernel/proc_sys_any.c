/* Looks for any file below /proc/sys that opens for writing.
 * Matters: settings of the kernel belong to the machine, and those of a namespace loosen its network.
 * Held by: /proc/sys is read-only. */
#include "hostile.h"

static bool search(const char *dir) {
    DIR *entries = opendir(dir);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        found = entry->d_type == DT_DIR ? search(path) : opens_for_writing(path);
        if (found && entry->d_type != DT_DIR) {
            printf("%s\n", path);
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

int main(void) {
    return worked("a setting of the kernel opens for writing", search("/proc/sys"));
}
