#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached;

static int connects(const struct sockaddr *address, socklen_t size) {
    int sock = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(sock, address, size);
    close(sock);
    return result == 0;
}

int main(void) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &own.sin_addr);
    if (bind(listener, (struct sockaddr *)&own, size) != 0 || listen(listener, 8) != 0) return puts("no loopback"), 1;
    getsockname(listener, (struct sockaddr *)&own, &size);
    for (int port = 1; port < 12000; port++) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = own.sin_addr};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        if (connects((struct sockaddr *)&four, sizeof four)) reached++, printf("port %d\n", port);
        int by_both = port % 8 == 0 || (port > 2374 && port < 2378) || (port > 7299 && port < 7302);
        if (by_both && connects((struct sockaddr *)&six, sizeof six)) reached++, printf("port %d of ::1\n", port);
    }
    int own_found = connects((struct sockaddr *)&own, sizeof own);
    if (reached == 0) puts(own_found ? "contained" : "broken: not even its own port is found");
    return 0;
}
