/* Finds disks and what makes disks of files.
 * Matters: the whole host is a file there; file systems trust what they mount.
 * Held by: a /dev with the few nodes that programs need.
 * may-lack: a machine without such nodes */
#include "hostile.h"

int main(void) {
    static const char *const nodes[] = {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/loop-control", "/dev/dm-0", "/dev/mapper/control", "/dev/md0", "/dev/zram0", "/dev/btrfs-control"};
    bool there = false;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        /* The node is not opened: that it is there is enough. */
        there |= open(nodes[i], O_PATH) >= 0;
    }
    if (!there && is_control()) {
        return verdict(COULD_NOT_TRY, "not on this machine");
    }
    return worked("there is such a device", there);
}
