/* Exchanges two names: the second half of dotgit_exchanged.sh, for which no command exists everywhere.
 * Matters: see dotgit_exchanged.sh.
 * Held by: see dotgit_exchanged.sh.
 * part-of: git/dotgit_exchanged */
#include "hostile.h"

int main(int argc, char **argv) {
    if (argc != 3) {
        return verdict(COULD_NOT_TRY, "two names");
    }
    return worked("exchanged", syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2 /* RENAME_EXCHANGE */) == 0);
}
