/* What the kernel of a control knows already. Asking for more would make it load modules, which no control may do. */
#ifndef HOSTILE_FAMILY_H
#define HOSTILE_FAMILY_H

#include "hostile.h"

/* Whether this is a control and the kernel has no such protocol loaded, by the names of /proc/net/protocols. */
static inline bool not_loaded(const char *protocol) {
    FILE *list = is_control() ? fopen("/proc/net/protocols", "re") : NULL;
    char line[256], name[64];
    bool missing = list != NULL;
    while (missing && fgets(line, sizeof line, list) != NULL) {
        missing = sscanf(line, "%63s", name) != 1 || strncasecmp(name, protocol, strlen(protocol)) != 0;
    }
    if (list != NULL) {
        fclose(list);
    }
    return missing;
}

/* The same for a protocol of netlink. */
static inline bool netlink_not_loaded(int protocol) {
    FILE *list = is_control() ? fopen("/proc/net/netlink", "re") : NULL;
    char line[256];
    int number;
    bool missing = list != NULL;
    while (missing && fgets(line, sizeof line, list) != NULL) {
        missing = sscanf(line, "%*s %d", &number) != 1 || number != protocol;
    }
    if (list != NULL) {
        fclose(list);
    }
    return missing;
}

#endif
