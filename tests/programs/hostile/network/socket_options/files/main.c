#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, int sock, int level, int option, const void *value, socklen_t size) {
    char now[64] = {0};
    socklen_t length = sizeof now;
    if (setsockopt(sock, level, option, value, size) < 0) return;
    // A kernel may say that it is set, and go on as before.
    if (getsockopt(sock, level, option, now, &length) < 0 || memcmp(now, value, sizeof(int)) != 0) return;
    reached++;
    puts(name);
}

int main(void) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
    int one = 1, large = 1 << 28, none = -1, size_max = 0;
    struct ipt_replace table = {.name = "filter", .num_counters = 1};
    socklen_t length = sizeof size_max;
    refused("a mark", tcp, SOL_SOCKET, SO_MARK, &one, sizeof one);
    refused("a forced send buffer", tcp, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    refused("a forced receive buffer", tcp, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
    refused("debugging", tcp, SOL_SOCKET, SO_DEBUG, &one, sizeof one);
    refused("a high priority", udp, SOL_SOCKET, SO_PRIORITY, &(int){7}, sizeof(int));
    refused("a program of the kernel", udp, SOL_SOCKET, SO_ATTACH_BPF, &none, sizeof none);
    refused("a program that chooses sockets", udp, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &none, sizeof none);
    refused("foreign addresses", udp, IPPROTO_IP, 19 /* IP_TRANSPARENT */, &one, sizeof one);
    refused("foreign addresses of IPv6", six, IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */, &one, sizeof one);
    refused("a table of packet rules", udp, IPPROTO_IP, IPT_SO_SET_REPLACE, &table, sizeof table);
    refused("counters of packet rules", udp, IPPROTO_IP, IPT_SO_SET_ADD_COUNTERS, &table, sizeof table);
    refused("a table of packet rules of IPv6", six, IPPROTO_IPV6, 64 /* IP6T_SO_SET_REPLACE */, &table, sizeof table);
    refused("a connection repaired by hand", tcp, IPPROTO_TCP, TCP_REPAIR, &one, sizeof one);
    // An ordinary buffer is as large as the kernel lets everyone have, and no larger.
    setsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    getsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &size_max, &length);
    if (size_max > 64 << 20) reached++, printf("a buffer of %d bytes\n", size_max);
    if (reached == 0) puts("contained");
    return 0;
}
