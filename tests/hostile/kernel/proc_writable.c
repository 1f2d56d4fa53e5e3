/* Looks for any other file of /proc, beside those of processes and /proc/sys, that opens for writing.
 * Matters: interrupts are routed, buses and drivers are set there.
 * Held by: read-only binds; the files belong to host root.
 * control: root */
#include "hostile.h"

static bool search(const char *dir, int depth) {
    DIR *entries = opendir(dir);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        const char *name = entry->d_name;
        bool own = depth == 0 && (strcmp(name, "sys") == 0 || (*name >= '0' && *name <= '9'));
        if (*name == '.' || own || snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
            continue;
        }
        if (entry->d_type == DT_DIR) {
            found = search(path, depth + 1);
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
    return worked("a file of /proc opens for writing", search("/proc", 0));
}
