/* Reads the ssh key in the home of whoever started the sandbox.
 * Matters: with it the attacker is that user everywhere else.
 * Held by: the root file system; the home inside is private. */
#include "hostile.h"

int main(void) {
    return worked("read an ssh key", steals(stage("home/.ssh/id_ed25519")) || steals(stage("home/.bashrc")));
}
