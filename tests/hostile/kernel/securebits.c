/* Changes what being root means, and takes capabilities out of the bounding set.
 * Matters: a setuid program that lacks the capability to give up privileges keeps them (the sendmail hole of 2000).
 * Held by: no CAP_SETPCAP.
 * control: root */
#include "hostile.h"

int main(void) {
    return worked("changed its secure bits", prctl(PR_SET_SECUREBITS, 1) == 0 || prctl(PR_CAPBSET_DROP, 0) == 0);
}
