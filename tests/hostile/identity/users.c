/* Reads the names of the host's users.
 * Matters: names of people, and what to guess passwords for.
 * Held by: a generated /etc/passwd and /etc/group. */
#include "hostile.h"

int main(void) {
    char text[1 << 16] = "";
    const char *name = given("HOSTILE_HOST_USER");
    char line[256];
    snprintf(line, sizeof line, "\n%s:", name);
    int fd = open("/etc/passwd", O_RDONLY);
    return worked(name, fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strstr(text, line) != NULL);
}
