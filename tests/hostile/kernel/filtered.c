/* Looks whether its system calls are filtered at all.
 * Matters: whatever is not filtered is the whole kernel.
 * Held by: seccomp is in mode 2. */
#include "hostile.h"

int main(void) {
    char text[8192] = "";
    int fd = open("/proc/self/status", O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) {
        return verdict(COULD_NOT_TRY, "no status");
    }
    return worked("no filter", strstr(text, "\nSeccomp:\t2") == NULL);
}
