#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t rung;

static void ring(int number) { rung = number; }

int main(void) {
    struct itimerval soon = {{0, 0}, {0, 50000}};
    struct timespec before, after;
    signal(SIGALRM, ring);
    clock_gettime(CLOCK_MONOTONIC, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    while (!rung) pause();
    clock_gettime(CLOCK_MONOTONIC, &after);
    double waited = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    printf("%s, %s\n", rung == SIGALRM ? "rung" : "other", waited >= 0.045 && waited < 5 ? "in time" : "out of time");
    return time(NULL) > 1700000000 ? 0 : 1;
}
