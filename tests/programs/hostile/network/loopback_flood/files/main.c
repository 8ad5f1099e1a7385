#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    static char block[60000];
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(listener, (struct sockaddr *)&own, size) != 0) return 1;
    getsockname(listener, (struct sockaddr *)&own, &size);
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) break;
    }
    for (int sock = socket(AF_INET, SOCK_DGRAM, 0);;) {
        sendto(sock, block, sizeof block, 0, (struct sockaddr *)&own, size);
        recv(listener, block, sizeof block, MSG_DONTWAIT);
    }
}
