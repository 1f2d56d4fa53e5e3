/* Connecting to path sockets. */
#ifndef HOSTILE_UNIX_H
#define HOSTILE_UNIX_H

#include "hostile.h"

#include <sys/un.h>

/* Connects to a socket by its path, however long that is, and waits for the first byte. */
static inline bool reaches(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    const char *name = path;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash != NULL) {
        *slash = 0;
        name = slash + 1;
        if (chdir(directory[0] == 0 ? "/" : directory) != 0) {
            return false;
        }
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool connected = connect(fd, (void *)&address, sizeof address) == 0;
    char byte;
    bool answered = connected && read(fd, &byte, 1) == 1;
    (void)!fchdir(here);
    close(here);
    close(fd);
    return answered;
}

/* The path in a variable as D-Bus, Docker and ssh-agent have it; NULL if there is none. */
static inline const char *path_in(const char *variable) {
    const char *value = getenv(variable);
    const char *path = value == NULL ? NULL : strchr(value, '/');
    if (path != NULL && strncmp(path, "///", 3) == 0) {
        path += 2;
    }
    return path;
}

#endif
