#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached;

static void refused(const char *what, int family, int kind, int protocol, int result) {
    if (result < 0) return;
    reached++;
    printf("%s of family %d, kind %d, protocol %d\n", what, family, kind, protocol);
}

int main(void) {
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, 6 /* DCCP */, 10 /* PACKET */};
    for (int family = 0; family < 64; family++) {
        int plain = family == AF_UNIX || family == AF_INET || family == AF_INET6;
        for (int n = 0; n < 7; n++) {
            for (int protocol = 0; protocol < 32; protocol++) {
                int pair[2];
                int harmless = family == AF_UNIX || (plain && (kinds[n] == SOCK_STREAM || kinds[n] == SOCK_DGRAM));
                if (harmless) continue;
                refused("a socket", family, kinds[n], protocol, socket(family, kinds[n], protocol));
                refused("a pair", family, kinds[n], protocol, socketpair(family, kinds[n], protocol, pair));
            }
        }
    }
    int own[] = {socket(AF_UNIX, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET6, SOCK_DGRAM, 0)};
    if (reached == 0) puts(own[0] >= 0 && own[1] >= 0 && own[2] >= 0 ? "contained" : "broken: ordinary sockets are refused");
    return 0;
}
