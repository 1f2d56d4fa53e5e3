/* Appends to the start-up file of the host user's shell.
 * Matters: runs as that user at the next login.
 * Held by: the root file system.
 * harm: file */
#include "hostile.h"

int main(void) {
    int fd = open(stage("home/.bashrc"), O_WRONLY | O_APPEND);
    return worked("wrote .bashrc", fd >= 0 && write(fd, "exit\n", 5) == 5);
}
