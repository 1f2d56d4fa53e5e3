/* Connects to the socket on which commands are asked for, where the state directory of the host has it.
 * Matters: whoever speaks to PID 1 may start commands as any user of the sandbox.
 * Held by: the socket lies in a directory that is not visible; PID 1 asks for a token; it is reached by nothing abstract.
 * harm: connected
 * prepare: mkdir -p state/sandboxes/other && ln -s ../../../run/bus state/sandboxes/other/init.sock */
#include "unix.h"

static bool search(const char *dir, int depth) {
    DIR *entries = opendir(dir);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        if (entry->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) < (int)sizeof path) {
            found = reaches(path) || (depth > 0 && search(path, depth - 1));
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return found;
}

int main(void) {
    return worked("connected to a socket of the state directory", search(stage("state"), 4) || search("/run", 3));
}
