/* Opens a device node that root had left in the workspace.
 * Matters: an image or a backup in a workspace may hold nodes; whoever can read the file reads the disk.
 * Held by: the workspace is mounted nodev.
 * control: root
 * prepare: mknod -m 666 workspace/zero c 1 5 */
#include "hostile.h"

int main(void) {
    int fd = open("zero", O_RDONLY);
    char byte = 1;
    return worked("read a device in the workspace", fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0);
}
