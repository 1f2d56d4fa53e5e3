/* Asks to be told of, and to decide on, every opened file.
 * Matters: it gets descriptors of files that others open.
 * Held by: seccomp.
 * control: root
 * may-lack: a kernel without fanotify */
#include "hostile.h"

int main(void) {
    return reached("fanotify", syscall(SYS_fanotify_init, 0x4 /* FAN_CLASS_CONTENT */, 0));
}
