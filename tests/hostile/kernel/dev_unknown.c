/* Looks for any device node that is not on the short list of those that programs need.
 * Matters: a list of bad devices is never complete.
 * Held by: a /dev that is made of a list of good ones. */
#include "hostile.h"

static const char *const needed[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts"};

int main(void) {
    DIR *dev = opendir("/dev");
    for (struct dirent *entry; dev != NULL && (entry = readdir(dev)) != NULL;) {
        bool known = entry->d_type != DT_CHR && entry->d_type != DT_BLK;
        for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
            known |= strcmp(entry->d_name, needed[i]) == 0;
        }
        if (!known) {
            return verdict(GOT_THROUGH, "/dev/%s", entry->d_name);
        }
    }
    return verdict(HELD, "no other devices");
}
