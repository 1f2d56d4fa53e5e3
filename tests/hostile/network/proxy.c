/* Asks the proxy for addresses that only its host can reach, in every spelling.
 * Matters: the proxy runs on the host; services there and the cloud's metadata answer it (server-side request forgery).
 * Held by: the policy judges the address that is dialled; private ranges are closed by default.
 * harm: connected */
#include "inet.h"

/* The status of the answer to a request. */
static int status(const char *target, bool tunnel) {
    const char *proxy = getenv("http_proxy");
    char address[64] = "", request[512], answer[256] = "";
    int port = 0, code = 0;
    if (proxy == NULL || sscanf(proxy, "http://%63[^:/]:%d", address, &port) != 2) {
        return 0;
    }
    int fd = stream_to(strcmp(address, "localhost") == 0 ? "127.0.0.1" : address, port);
    if (tunnel) {
        snprintf(request, sizeof request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target);
    } else {
        snprintf(request, sizeof request, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, target);
    }
    if (fd >= 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 && recv(fd, answer, sizeof answer - 1, 0) > 0) {
        sscanf(answer, "HTTP/1.%*d %d", &code);
    }
    close(fd);
    return code;
}

int main(void) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "localhost.", "0.0.0.0", "0", "127.1", "2130706433",
                                        "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::]", "127.8.8.8",
                                        "host.loopbox.internal", "host.docker.internal", "169.254.169.254", "[fe80::1]",
                                        "metadata.google.internal", "10.0.0.1", "192.168.0.1", "100.64.0.1", "[fd00:ec2::254]",
                                        "127.0.0.1.nip.io", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char target[128];
        snprintf(target, sizeof target, "%s:%s", hosts[i], given("HOSTILE_PORT"));
        for (int tunnel = 0; tunnel < 2; tunnel++) {
            int code = status(target, tunnel != 0);
            if (code >= 200 && code < 300) {
                return verdict(GOT_THROUGH, "%s %s", tunnel != 0 ? "CONNECT" : "GET", target);
            }
        }
    }
    return verdict(HELD, "no address of the host");
}
