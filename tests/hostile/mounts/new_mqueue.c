/* Mounts message queues.
 * Matters: an example of the many file systems that user namespaces may mount.
 * Held by: seccomp; no CAP_SYS_ADMIN. */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting mqueue", mount("none", "mnt", "mqueue", 0, NULL));
}
