/* Opens the files that PID 1 has mapped, through /proc/1/map_files and /proc/1/exe.
 * Matters: writing to the executable of PID 1 runs as whoever starts the next sandbox (CVE-2019-5736 of runc).
 * Held by: PID 1 is not dumpable. */
#include "hostile.h"

int main(void) {
    DIR *dir = opendir("/proc/1/map_files");
    if (dir != NULL && readdir(dir) != NULL) {
        return verdict(GOT_THROUGH, "listed /proc/1/map_files");
    }
    return worked("opened /proc/1/exe", open("/proc/1/exe", O_RDONLY) >= 0);
}
