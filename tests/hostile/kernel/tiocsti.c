/* Types into its controlling terminal.
 * Matters: who reads from that terminal afterwards is a shell of the host (CVE-2017-5226 of bubblewrap).
 * Held by: seccomp; a command without a terminal has none, one with a terminal has one of the sandbox's own.
 * may-lack: a kernel where dev.tty.legacy_tiocsti is 0 */
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
    char argument[16] = "x";
    /* A machine that has it switched off answers EIO to those without privileges. */
    return reached("tiocsti", syscall(SYS_ioctl, terminal, TIOCSTI, argument));
}

int main(void) {
    return in_child(attack);
}
