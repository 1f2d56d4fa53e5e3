/* Asks to be told of opened files, in the way that is open to everybody.
 * Matters: tells of the doings of others on shared file systems.
 * Held by: seccomp.
 * may-lack: a kernel without fanotify */
#include "hostile.h"

int main(void) {
    return reached("fanotify_user", syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, 0));
}
