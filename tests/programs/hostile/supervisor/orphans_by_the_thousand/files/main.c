#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(void) {
    int orphans = 0;
    // A slow kernel makes fewer of them in the same time.
    for (double end = now() + 2; orphans < 2000 && now() < end;) {
        pid_t child = fork();
        if (child == 0) {
            if (fork() == 0) _exit(1);
            _exit(0);
        }
        // A place is free again only when the first process has reaped.
        if (child < 0 && errno != EAGAIN) break;
        if (child < 0) continue;
        waitpid(child, NULL, 0);
        orphans++;
    }
    if (orphans > 50) puts("contained");
    else printf("broken: %d orphans\n", orphans);
    return 0;
}
