#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static int watch(int epoll, int what) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, what, &event);
}

int main(void) {
    int ring[2] = {epoll_create1(0), epoll_create1(0)}, all[1024], count = 0, depth = 0;
    if (watch(ring[0], ring[1]) != 0 || watch(ring[1], ring[0]) == 0) puts("broken: a ring");
    for (int last = ring[0]; depth < 100; depth++) {
        int next = epoll_create1(0);
        if (watch(next, last) != 0) break;
        last = next;
    }
    if (depth >= 100) puts("broken: no depth is too much");
    fflush(stdout);
    while (count < 1024 && (all[count] = epoll_create1(0)) >= 0) count++;
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        for (int n = 0; n < count / 2; n++) watch(all[n], descriptor);
    }
    puts("bounded");
    return 0;
}
