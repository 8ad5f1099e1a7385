#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static char all[3000000];

int main(void) {
    for (int stream = 0; stream < 3; stream++) fcntl(stream, F_SETFL, O_NONBLOCK | O_APPEND | O_ASYNC);
    memset(all, 'n', sizeof all);
    for (size_t at = 0; at < sizeof all;) {
        ssize_t written = write(1, all + at, sizeof all - at);
        if (written > 0) at += (size_t)written;
        else if (errno != EAGAIN) return 1;
        else poll(&(struct pollfd){.fd = 1, .events = POLLOUT}, 1, 1000);
    }
    return 0;
}
