/* Finds devices of virtual machines and tunnels.
 * Matters: large interfaces of the kernel, and ways around the network namespace.
 * Held by: a /dev with the few nodes that programs need.
 * may-lack: a machine without such nodes */
#include "hostile.h"

int main(void) {
    static const char *const nodes[] = {"/dev/kvm", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/vsock", "/dev/net/tun", "/dev/vfio/vfio"};
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
