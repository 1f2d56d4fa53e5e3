/* Makes itself the last that dies when memory is out.
 * Matters: the host's own processes die in its place.
 * Held by: lowering it needs CAP_SYS_RESOURCE in the host's user namespace.
 * control: root
 * may-lack: root without CAP_SYS_RESOURCE, as in some virtual machines */
#include "hostile.h"

int main(void) {
    bool lowered = put("/proc/self/oom_score_adj", "-1000");
    if (!lowered && is_control()) {
        return verdict(COULD_NOT_TRY, "%s", strerror(errno));
    }
    return worked("lowered its OOM score", lowered);
}
