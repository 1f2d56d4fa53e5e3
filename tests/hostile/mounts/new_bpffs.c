/* Mounts pinned programs of BPF.
 * Matters: programs of others can be had there.
 * Held by: seccomp; no CAP_SYS_ADMIN.
 * control: root
 * may-lack: a kernel without BPF file systems */
#include "hostile.h"

#include <sys/mount.h>

int main(void) {
    mkdir("mnt", 0755);
    return reached("mounting bpf", mount("none", "mnt", "bpf", 0, NULL));
}
