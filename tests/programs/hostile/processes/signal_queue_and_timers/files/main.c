#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIED = 2000 };

static void fill(long counts[2]) {
    while (counts[0] < TRIED && sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}) == 0) counts[0]++;
}

static void arm(long counts[2]) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
    while (counts[1] < TRIED && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        struct itimerspec hourly = {{3600, 0}, {3600, 0}};
        timer_settime(timer, 0, &hourly, NULL);
        if (++counts[1] % 100 == 0 && counts[0] == 0) return;
    }
}

int main(void) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    long counts[2] = {0, 0}, all[2] = {0, 0};
    for (int n = 0; n < 8; n++) {
        if (fork() > 0) continue;
        sigset_t blocked;
        sigfillset(&blocked);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        arm(counts);  // a hundred, so that signals find room too
        fill(counts);
        arm(counts);
        write(ends[1], counts, sizeof counts);
        for (;;) pause();
    }
    for (int n = 0; n < 8 && read(ends[0], counts, sizeof counts) == sizeof counts; n++) {
        all[0] += counts[0];
        all[1] += counts[1];
    }
    // Both count for the user: eight processes together get no more than one.
    printf("%ld signals, %ld timers\n", all[0], all[1]);
    if (all[0] && all[1] && all[0] + all[1] <= 1100) puts("both are bounded");
    return 0;
}
