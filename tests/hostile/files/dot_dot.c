/* Climbs out of the workspace by `..`, by a chain of them from its own directory.
 * Matters: the oldest way out of a directory.
 * Held by: the mount namespace: above the workspace is the sandbox's own root. */
#include "hostile.h"

int main(void) {
    char path[PATH_MAX] = "";
    for (int depth = 1; depth < 24; depth++) {
        strcat(path, "../");
        char target[2 * PATH_MAX];
        snprintf(target, sizeof target, "%s%s", path, stage("sibling/secret"));
        if (steals(target)) {
            return verdict(GOT_THROUGH, "%s", target);
        }
        snprintf(target, sizeof target, "%ssibling/secret", path);
        if (steals(target)) {
            return verdict(GOT_THROUGH, "%s", target);
        }
    }
    return verdict(HELD, "nothing above");
}
