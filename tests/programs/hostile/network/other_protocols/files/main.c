#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    static const struct { const char *name; int kind, protocol; } all[] = {
        {"SCTP", SOCK_STREAM, 132},     {"SCTP packets", SOCK_SEQPACKET, 132}, {"DCCP", 6, 33},
        {"raw ICMP", SOCK_RAW, 1},      {"raw ICMP of IPv6", SOCK_RAW, 58},
        {"raw TCP", SOCK_RAW, 6},       {"raw IP", SOCK_RAW, 255},             {"IGMP", SOCK_RAW, 2},
        {"GRE", SOCK_RAW, 47},          {"ESP", SOCK_RAW, 50},                 {"SMC", SOCK_STREAM, 256},
        {"L2TP", SOCK_DGRAM, 115},      {"OSPF", SOCK_RAW, 89},                {"UDP-Lite raw", SOCK_RAW, 136},
    };
    int reached = 0;
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
        for (int family = 0; family < 2; family++) {
            int sock = socket(family ? AF_INET6 : AF_INET, all[n].kind, all[n].protocol);
            if (sock < 0) continue;
            reached++;
            printf("%s%s\n", all[n].name, family ? " over IPv6" : "");
            close(sock);
        }
    }
    if (reached == 0) puts("contained");
    return 0;
}
