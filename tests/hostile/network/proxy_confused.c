/* Sends the proxy requests that two readers read differently: two targets, two lengths, line ends that are none.
 * Matters: the judge reads one host and the dialler another.
 * Held by: the proxy refuses what is not plain.
 * harm: connected */
#include "inet.h"

int main(void) {
    const char *proxy = getenv("http_proxy");
    char address[64] = "";
    int port = 0, target = atoi(given("HOSTILE_PORT"));
    if (proxy == NULL || sscanf(proxy, "http://%63[^:/]:%d", address, &port) != 2) {
        return verdict(HELD, "no proxy");
    }
    static const char *const forms[] = {
        "CONNECT example.com:443@127.0.0.1:%1$d HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "CONNECT 127.0.0.1:%1$d HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        "GET http://example.com@127.0.0.1:%1$d/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET http://127.0.0.1:%1$d#@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET http://127.0.0.1:%1$d\\@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%1$d\r\n\r\n",
        "GET http://example.com/ HTTP/1.1\nHost: 127.0.0.1:%1$d\nX: y\r\n\r\nGET http://127.0.0.1:%1$d/ HTTP/1.1\r\n\r\n",
        "CONNECT 127.0.0.1:%1$d\t HTTP/1.1\r\n\r\n",
        "CONNECT 127.0.0.1\r\n:%1$d HTTP/1.1\r\n\r\n",
        "OPTIONS http://127.0.0.1:%1$d HTTP/1.1\r\nHost: 127.0.0.1:%1$d\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char request[512], answer[256] = "";
        int code = 0;
        int length = snprintf(request, sizeof request, forms[i], target);
        int fd = stream_to(address, port);
        /* A reader that waits for more gets no more. */
        if (fd >= 0 && send(fd, request, (size_t)length, MSG_NOSIGNAL) > 0 && shutdown(fd, SHUT_WR) == 0 &&
            recv(fd, answer, sizeof answer - 1, 0) > 0) {
            sscanf(answer, "HTTP/1.%*d %d", &code);
        }
        close(fd);
        if (code >= 200 && code < 300 && strstr(answer, CANARY) != NULL) {
            return verdict(GOT_THROUGH, "form %zu", i);
        }
    }
    return verdict(HELD, "no form");
}
