/* Reads the file of a project beside the workspace.
 * Matters: an agent that works on one project would leak all others.
 * Held by: the root file system, which holds nothing of the host that is not on its list. */
#include "hostile.h"

int main(void) {
    return worked("read a file beside the workspace", steals(stage("sibling/secret")));
}
