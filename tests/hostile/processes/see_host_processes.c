/* Counts the machine's processes by what /proc and the system tell of them.
 * Matters: names of processes tell what is worth attacking.
 * Held by: a /proc of the sandbox's own process namespace. */
#include "hostile.h"

static bool is_victim(pid_t pid) {
    char path[64], text[128] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strcmp(text, "hostile-victim") == 0;
    close(fd);
    return found;
}

int main(void) {
    return worked("saw a process of the host", any_process(is_victim));
}
