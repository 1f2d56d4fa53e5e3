/* Asks for the handle of a directory.
 * Matters: half of the way to open_by_handle_at, and it tells mount ids and inode numbers of the host.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    char space[sizeof(struct file_handle) + 128] __attribute__((aligned(16)));
    struct file_handle *handle = (void *)space;
    handle->handle_bytes = 128;
    int mount_id;
    return reached("name_to_handle_at", name_to_handle_at(AT_FDCWD, "/", handle, &mount_id, 0));
}
