/* Mounts the kernel's debugging files.
 * Matters: they belong to no namespace.
 * Held by: seccomp; no CAP_SYS_ADMIN.
 * control: root */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting debugfs", mount("none", "mnt", "debugfs", 0, NULL));
}
