/* Opens /dev/fuse to serve a file system of its own.
 * Matters: whoever serves a file system decides when the kernel's reads end, which makes races certain.
 * Held by: there is no such device inside.
 * may-lack: a kernel without FUSE */
#include "hostile.h"

int main(void) {
    if (is_control() && access("/dev/fuse", F_OK) != 0) {
        return verdict(COULD_NOT_TRY, "no /dev/fuse");
    }
    return worked("/dev/fuse exists", open("/dev/fuse", O_PATH) >= 0);
}
