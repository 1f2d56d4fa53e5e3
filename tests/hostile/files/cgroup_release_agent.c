/* Opens a release_agent or the limits of a cgroup for writing.
 * Matters: the kernel runs the release agent as root of the host (CVE-2022-0492); limits are lifted by writing to them.
 * Held by: the cgroup is shown read-only, from its own namespace.
 * control: root */
#include "hostile.h"

static bool search(const char *dir, int depth) {
    static const char *const names[] = {"release_agent", "cgroup.procs", "memory.max", "memory.limit_in_bytes", "pids.max",
                                        "cgroup.subtree_control", "notify_on_release", "devices.allow", "freezer.state"};
    bool found = false;
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        found = opens_for_writing(path);
        if (found) {
            printf("%s\n", path);
        }
    }
    DIR *entries = found || depth == 0 ? NULL : opendir(dir);
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            found = search(path, depth - 1);
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

int main(void) {
    return worked("a cgroup opens for writing", search("/sys/fs/cgroup", 3));
}
