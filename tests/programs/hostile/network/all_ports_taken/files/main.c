#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void take(int first) {
    for (int n = 0; n < 1000; n++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(first + n), .sin_addr = {htonl(INADDR_ANY)}};
        int sock = socket(AF_INET, SOCK_STREAM, 0);
        if (sock < 0) break;
        if (bind(sock, (struct sockaddr *)&address, sizeof address) == 0) listen(sock, 128);
    }
}

int main(void) {
    puts("taking");
    fflush(stdout);
    for (int n = 0; n < 30; n++) {
        if (fork() == 0) {
            take(1024 + 2000 * n);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {}
    return 0;
}
