/* Makes a network namespace of its own.
 * Matters: netfilter and packet schedulers are reached there (CVE-2022-32250, CVE-2024-1086).
 * Held by: seccomp; for all but a user namespace also: no CAP_SYS_ADMIN. */
#include "hostile.h"

int main(void) {
    return reached("unshare(CLONE_NEWNET)", unshare(CLONE_NEWNET));
}
