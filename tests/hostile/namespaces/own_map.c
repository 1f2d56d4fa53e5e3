/* Writes the id map of its own namespace again, and of PID 1's.
 * Matters: a map that holds host id 0 makes root.
 * Held by: a map is written once; the files belong to the namespace's owner.
 * control: root */
#include "hostile.h"

int main(void) {
    return worked("a map opens for writing", opens_for_writing("/proc/self/uid_map") && opens_for_writing("/proc/1/uid_map"));
}
