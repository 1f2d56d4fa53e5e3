/* Makes a socket of netlink's firewall.
 * Matters: nf_tables has had several holes a year (CVE-2022-32250, CVE-2023-32233, CVE-2024-1086).
 * Held by: seccomp allows the families that programs need.
 * may-lack: a kernel without this family */
#include "family.h"

int main(void) {
    if (netlink_not_loaded(12)) {
        return verdict(COULD_NOT_TRY, "not loaded");
    }
    return reached("socket(netlink_netfilter)", syscall(SYS_socket, 16, SOCK_RAW, 12));
}
