#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int set;

static void refused(const char *what, long result) {
    if (result >= 0) set += printf("%s works\n", what) > 0;
}

int main(void) {
    struct timespec past = {1000000, 0};
    struct timeval past_too = {1000000, 0};
    struct timex slower = {.modes = ADJ_TICK, .tick = 9000};
    for (clockid_t clock = 0; clock < 12; clock++) refused("clock_settime", clock_settime(clock, &past));
    refused("settimeofday", settimeofday(&past_too, NULL));
    refused("adjtimex", adjtimex(&slower));
    refused("adjtime", adjtime(&past_too, NULL));
    const char *const devices[] = {"/dev/rtc", "/dev/rtc0", "/dev/ptp0"};
    for (int n = 0; n < 3; n++) refused(devices[n], open(devices[n], O_WRONLY));
    int offsets = open("/proc/self/timens_offsets", O_WRONLY);
    refused("timens_offsets", offsets < 0 ? -1 : write(offsets, "monotonic 1000 0", 16));
    if (!set) puts("no clock was set");
    return 0;
}
