#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// The socket waits in its own queue, and the streams with it.
static int send_to_itself(int channel, int other) {
    int what[3] = {1, 2, other};
    char space[CMSG_SPACE(sizeof what)] = {0};
    struct iovec byte = {"x", 1};
    struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof what);
    memcpy(CMSG_DATA(head), what, sizeof what);
    return sendmsg(channel, &message, 0) == 1;
}

int main(void) {
    int sent = 0, pair[2];
    for (int n = 0; n < 100; n++) {
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) break;
        sent += send_to_itself(pair[0], pair[1]) + send_to_itself(pair[1], pair[0]);
        close(pair[0]), close(pair[1]);
    }
    puts(sent == 200 ? "contained" : "broken: it cannot send them");
    return 0;
}
