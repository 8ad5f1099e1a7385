#include <time.h>

static long now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(void) {
    for (;;) {
        struct timespec moment = {0, 100000};
        nanosleep(&moment, 0);
        for (long start = now_us(CLOCK_MONOTONIC); now_us(CLOCK_MONOTONIC) < start + 900;) {}
    }
}
