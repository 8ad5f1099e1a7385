#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, int result) {
    if (result < 0) return;
    reached++;
    puts(name);
}

int main(void) {
    struct ifreq lo = {.ifr_name = "lo"}, other = {.ifr_name = "eth0"}, tunnel = {.ifr_name = "tun0", .ifr_flags = IFF_TUN};
    struct rtentry route = {.rt_flags = RTF_UP};
    char bridge[IFNAMSIZ] = "br0";
    int sock = socket(AF_INET, SOCK_DGRAM, 0), tun = open("/dev/net/tun", O_RDWR);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a000001)}};
    memcpy(&lo.ifr_addr, &address, sizeof address);
    refused("an address", ioctl(sock, SIOCSIFADDR, &lo));
    refused("a netmask", ioctl(sock, SIOCSIFNETMASK, &lo));
    lo.ifr_mtu = 1000;
    refused("a packet size", ioctl(sock, SIOCSIFMTU, &lo));
    lo.ifr_flags = 0;
    refused("down", ioctl(sock, SIOCSIFFLAGS, &lo));
    strcpy(lo.ifr_newname, "lo0");
    refused("a name", ioctl(sock, SIOCSIFNAME, &lo));
    lo.ifr_qlen = 1;
    refused("a queue", ioctl(sock, SIOCSIFTXQLEN, &lo));
    memcpy(&route.rt_dst, &address, sizeof address);
    memcpy(&route.rt_gateway, &address, sizeof address);
    route.rt_dev = "lo";
    refused("a route", ioctl(sock, SIOCADDRT, &route));
    refused("a bridge", ioctl(sock, SIOCBRADDBR, bridge));
    refused("a member of a bridge", ioctl(sock, SIOCBRADDIF, &lo));
    refused("a tunnel", ioctl(sock, SIOCDEVPRIVATE + 1, &lo));
    refused("a device for tunnels", tun < 0 ? -1 : ioctl(tun, TUNSETIFF, &tunnel));
    refused("another interface", ioctl(sock, SIOCGIFINDEX, &other));
    if (reached == 0) puts("contained");
    return 0;
}
