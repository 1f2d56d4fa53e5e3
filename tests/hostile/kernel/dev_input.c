/* Finds keyboards, screens, consoles, clocks.
 * Matters: what the host's user types and sees.
 * Held by: a /dev with the few nodes that programs need.
 * may-lack: a machine without such nodes */
#include "hostile.h"

int main(void) {
    static const char *const nodes[] = {"/dev/uinput", "/dev/input/event0", "/dev/dri/card0", "/dev/fb0", "/dev/snd/timer", "/dev/video0", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/ptp0", "/dev/hwrng", "/dev/rtc0", "/dev/cpu_dma_latency", "/dev/userfaultfd", "/dev/autofs", "/dev/cuse", "/dev/vcs", "/dev/watchdog"};
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
