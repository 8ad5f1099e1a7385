#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT = 32 << 20, ENOUGH = 4 * LIMIT, CHILDREN = 8 };

static char block[65536];

int main(void) {
    int told[2];
    long held = 0, own;
    if (pipe(told) != 0) return 2;
    for (int n = 0; n < CHILDREN; n++) {
        if (fork() > 0) continue;
        own = 0;
        for (int m = 0; m < 500 && own < ENOUGH / CHILDREN; m++) {
            int ends[2], size = 4 << 20;
            if (socketpair(AF_UNIX, n % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, ends) != 0) break;
            for (int end = 0; end < 2; end++) {
                setsockopt(ends[end], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
                for (ssize_t sent; (sent = send(ends[end], block, sizeof block, MSG_DONTWAIT)) > 0;) own += sent;
            }
        }
        write(told[1], &own, sizeof own);
        for (;;) pause();
    }
    for (int n = 0; n < CHILDREN && read(told[0], &own, sizeof own) == sizeof own; n++) held += own;
    printf("%ld MiB wait, %s the limit\n", held >> 20, held > LIMIT ? "beyond" : "within");
    return 1;
}
