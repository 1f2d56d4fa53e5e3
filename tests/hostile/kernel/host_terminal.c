/* Opens /dev/tty and whatever terminal lies in its descriptors or in /dev/pts.
 * Matters: what types into the terminal of the host's user types commands.
 * Held by: commands are in a session of their own and get no descriptor of the caller's; devpts is the sandbox's own. */
#include "hostile.h"

int main(void) {
    if (is_control()) {
        /* What a launcher that is started from a terminal hands down. */
        setsid();
        int master = posix_openpt(O_RDWR | O_NOCTTY);
        if (master < 0 || unlockpt(master) != 0 || open(ptsname(master), O_RDWR) < 0) {
            return verdict(COULD_NOT_TRY, "no terminal: %s", strerror(errno));
        }
    }
    int own = open("/dev/tty", O_RDWR);
    for (int fd = 0; fd < 64; fd++) {
        if (fd != own && isatty(fd)) {
            return verdict(GOT_THROUGH, "descriptor %d is a terminal", fd);
        }
    }
    char path[32];
    for (int number = 0; number < 16; number++) {
        snprintf(path, sizeof path, "/dev/pts/%d", number);
        if (open(path, O_RDWR | O_NOCTTY) >= 0) {
            return verdict(GOT_THROUGH, "opened %s", path);
        }
    }
    return worked("opened /dev/tty", own >= 0);
}
