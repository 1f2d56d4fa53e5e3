/* Asks for functions of the Linux console, of which one pastes text into it.
 * Matters: the same as TIOCSTI for whoever sits at the console (CVE-2023-28100 of Flatpak).
 * Held by: seccomp; a command without a terminal has none, one with a terminal has one of the sandbox's own. */
#include "hostile.h"

/* A terminal of its own becomes its controlling terminal. */
static int attack(void) {
    setsid();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        return verdict(COULD_NOT_TRY, "no terminal: %s", strerror(errno));
    }
    int terminal = open(ptsname(master), O_RDWR);
    if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0) {
        return verdict(COULD_NOT_TRY, "no controlling terminal: %s", strerror(errno));
    }
    char argument[16] = "\\x06";
    return reached("tioclinux", syscall(SYS_ioctl, terminal, TIOCLINUX, argument));
}

int main(void) {
    return in_child(attack);
}
