/* Lists the directory that holds the workspace: names of other projects.
 * Matters: names tell what to look for, and the next step starts there.
 * Held by: the root file system, where the way to the workspace has nothing else in it. */
#include "hostile.h"

int main(void) {
    DIR *dir = opendir(stage("."));
    bool found = false;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        found |= strcmp(entry->d_name, "sibling") == 0 || strcmp(entry->d_name, "home") == 0;
    }
    return worked("saw what lies beside the workspace", found);
}
