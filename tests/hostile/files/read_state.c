/* Reads the state directory: records with tokens, and the homes of other sandboxes.
 * Matters: the token of a record lets one run commands in any sandbox.
 * Held by: the root file system. */
#include "hostile.h"

int main(void) {
    return worked("opened the state directory", opendir(stage("state")) != NULL || opendir(stage("state/sandboxes")) != NULL);
}
