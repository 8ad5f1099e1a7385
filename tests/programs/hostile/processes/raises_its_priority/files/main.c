#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// As in <linux/sched/types.h>, which would collide with <sched.h>.
struct deadline {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int main(void) {
    int raised = 0;
    const int policies[] = {SCHED_FIFO, SCHED_RR};
    for (int n = 0; n < 2; n++) {
        for (int priority = 1; priority < 100; priority += 49) {
            struct sched_param wanted = {.sched_priority = priority};
            sched_setscheduler(0, policies[n], &wanted);
            sched_setscheduler(0, policies[n] | SCHED_RESET_ON_FORK, &wanted);
        }
    }
    struct deadline most = {sizeof most, 6 /* SCHED_DEADLINE */, 0, 0, 0, 9000000, 10000000, 10000000};
    syscall(SYS_sched_setattr, 0, &most, 0);
    int policy = sched_getscheduler(0);
    if (policy != SCHED_OTHER) raised += printf("policy %d\n", policy) > 0;

    int before = getpriority(PRIO_PROCESS, 0);
    setpriority(PRIO_PROCESS, 0, -20);
    setpriority(PRIO_PGRP, 0, -20);
    setpriority(PRIO_USER, getuid(), -20);
    nice(-1);
    int after = getpriority(PRIO_PROCESS, 0);
    if (after < before) raised += printf("nice %d\n", after) > 0;

    const int realtime = 1 << 13;  // IOPRIO_CLASS_RT
    syscall(SYS_ioprio_set, 1, 0, realtime);
    long class = syscall(SYS_ioprio_get, 1, 0);
    if (class >= 0 && class >> 13 == 1) raised += printf("I/O class %ld\n", class >> 13) > 0;

    if (setpriority(PRIO_PROCESS, 1, 19) == 0) raised += printf("the first process was slowed\n") > 0;
    if (!raised) puts("no priority was raised");
    return 0;
}
