/* Reads the password hashes.
 * Matters: started by root, a sandbox that shows the host's /etc shows these too.
 * Held by: a generated /etc with an allow-list of the host's files. */
#include "hostile.h"

int main(void) {
    static const char *const files[] = {"/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/sudoers"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (open(files[i], O_RDONLY) >= 0) {
            return verdict(GOT_THROUGH, "opened %s", files[i]);
        }
    }
    return verdict(HELD, "none of them");
}
