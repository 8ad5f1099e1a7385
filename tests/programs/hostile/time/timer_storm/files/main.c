#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void nothing(int number) { (void)number; }

int main(void) {
    const int kinds[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    const int signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
    for (int n = 0; n < 3; n++) {
        struct itimerval often = {{0, 1}, {0, 1}};
        signal(signals[n], nothing);
        setitimer(kinds[n], &often, NULL);
    }
    for (int n = 0; n < 100; n++) {
        timer_t timer;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        struct itimerspec often = {{0, 1000}, {0, 1000}};
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &often, NULL);
    }
    for (;;) {}
}
