/* Connecting to addresses of the internet. */
#ifndef HOSTILE_INET_H
#define HOSTILE_INET_H

#include "hostile.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static inline struct sockaddr_in inet(const char *address, int port) {
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &result.sin_addr);
    return result;
}

/* A stream to that address, or -1. It gives up after two seconds. */
static inline int stream_to(const char *address, int port) {
    struct sockaddr_in to = inet(address, port);
    struct timeval patience = {.tv_sec = 2};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (void *)&to, sizeof to) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

#endif
