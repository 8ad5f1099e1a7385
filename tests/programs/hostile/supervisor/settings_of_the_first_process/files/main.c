#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, int number, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %d\n", name, number);
}

static void set_all(pid_t pid) {
    struct rlimit none = {0, 0}, limit;
    struct sched_param lowest = {0}, highest = {1};
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(0, &cores);
    for (int resource = 0; resource < 16; resource++) {
        // That of core files is answered as if it were set, and is not: it is no harm either way.
        if (resource != RLIMIT_CORE) refused("limit", resource, prlimit(pid, resource, &none, NULL));
        refused("limit read", resource, prlimit(pid, resource, NULL, &limit));
    }
    refused("nicer", 19, setpriority(PRIO_PROCESS, pid, 19));
    // Of a user: its own processes alone, which the first is not.
    setpriority(PRIO_USER, 0, 1);
    refused("nicer by its user", 1, getpriority(PRIO_PROCESS, pid) != 0 ? 0 : -1);
    refused("cores", 0, sched_setaffinity(pid, sizeof cores, &cores));
    refused("idle", SCHED_IDLE, sched_setscheduler(pid, SCHED_IDLE, &lowest));
    refused("batch", SCHED_BATCH, sched_setscheduler(pid, SCHED_BATCH, &lowest));
    refused("real-time", SCHED_FIFO, sched_setscheduler(pid, SCHED_FIFO, &highest));
    refused("real-time for itself", SCHED_RR, sched_setscheduler(0, SCHED_RR, &highest));
    refused("nicer to itself", -20, setpriority(PRIO_PROCESS, 0, -20));
    refused("disks idle", 3, syscall(SYS_ioprio_set, 1, pid, 3 << 13));
    refused("disks real-time for itself", 1, syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    refused("group", 0, setpgid(pid, 0));
    refused("group of this process", 0, setpgid(0, pid));
    refused("futexes", 0, syscall(SYS_get_robust_list, pid, &cores, &limit));
}

int main(void) {
    set_all(1);
    if (getppid() > 1) set_all(getppid());
    if (reached == 0) puts(setpriority(PRIO_PROCESS, 0, 5) == 0 ? "contained" : "broken: it cannot lower its own");
    return 0;
}
