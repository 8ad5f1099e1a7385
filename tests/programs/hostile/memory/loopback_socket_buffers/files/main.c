#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT = 32 << 20, PAIRS = 300 };

static char block[65536];

// A pair of connected sockets with large buffers, as far as they are given.
static int connected(int kind, int ends[2]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int size = 4 << 20, server = socket(AF_INET, kind, 0);
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (server < 0 || bind(server, (struct sockaddr *)&at, sizeof at) != 0) return -1;
    if (kind == SOCK_STREAM && listen(server, 1) != 0) return -1;
    getsockname(server, (struct sockaddr *)&at, &length);
    ends[0] = socket(AF_INET, kind, 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&at, sizeof at) != 0) return -1;
    ends[1] = kind == SOCK_STREAM ? accept(server, NULL, NULL) : server;
    if (kind == SOCK_STREAM) close(server);
    return ends[1] < 0 ? -1 : 0;
}

// Bytes that wait at this end, as the kernel counts them.
static long held_by(int end) {
    unsigned figures[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof figures;
    getsockopt(end, SOL_SOCKET, SO_MEMINFO, figures, &length);
    return (long)figures[SK_MEMINFO_RMEM_ALLOC] + figures[SK_MEMINFO_WMEM_QUEUED];
}

int main(void) {
    static int ends[PAIRS][2];
    int made = 0;
    long held = 0;
    while (made < PAIRS && held < 4L * LIMIT) {
        int kind = made % 2 ? SOCK_STREAM : SOCK_DGRAM;
        if (connected(kind, ends[made]) != 0) break;
        for (int n = 0; n < 200; n++) {
            if (send(ends[made][0], block, kind == SOCK_STREAM ? sizeof block : 32768, MSG_DONTWAIT) <= 0) break;
        }
        held += held_by(ends[made][0]) + held_by(ends[made][1]);
        made++;
    }
    held = 0;
    for (int n = 0; n < made; n++) held += held_by(ends[n][0]) + held_by(ends[n][1]);
    // A socket gets its first few KiB even then.
    printf("%ld MiB wait, %s the limit\n", held >> 20, held > LIMIT ? "beyond" : "within");
    return 1;
}
