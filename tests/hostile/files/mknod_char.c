/* Makes a char device node in the workspace, in /tmp and at home.
 * Matters: a node for the disk is the whole host; left in the workspace, it serves an accomplice outside.
 * Held by: CAP_MKNOD that nobody inside has in the host's user namespace; nodev.
 * control: root */
#include "hostile.h"

#include <sys/sysmacros.h>

int main(void) {
    const char *const places[] = {"node", "/tmp/hostile-node", "/home/agent/node", "/dev/shm/node"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        /* A number that harms nobody; the node is removed at once. */
        if (mknod(places[i], S_IFCHR | 0600, makedev(1, 5)) == 0) {
            unlink(places[i]);
            return verdict(GOT_THROUGH, "made %s", places[i]);
        }
    }
    return verdict(HELD, "mknod: %s", strerror(errno));
}
