/* Leaves its root directory by the classic way: chroot below an open directory, then upwards.
 * Matters: chroot moves the ceiling of `..`, and whoever is already outside of it climbs freely.
 * Held by: seccomp; no CAP_SYS_CHROOT. */
#include "hostile.h"

int main(void) {
    mkdir("cell", 0755);
    if (chroot("cell") != 0) {
        return verdict(HELD, "chroot: %s", strerror(errno));
    }
    for (int i = 0; i < 64; i++) {
        if (chdir("..") != 0) {
            break;
        }
    }
    return worked("left the root directory", access("proc/self", F_OK) == 0);
}
