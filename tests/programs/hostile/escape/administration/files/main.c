#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/klog.h>
#include <sys/quota.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long result) {
    if (result < 0) return;
    reached++;
    puts(name);
}

int main(void) {
    struct timespec now;
    struct timeval today;
    struct timex adjustment = {.modes = ADJ_TICK, .tick = 10000};
    struct utsname name;
    char text[4096];
    uname(&name);
    // Each is asked for what is so already: where it works, nothing changes.
    clock_gettime(CLOCK_REALTIME, &now);
    refused("clock_settime", clock_settime(CLOCK_REALTIME, &now));
    gettimeofday(&today, NULL);
    refused("settimeofday", settimeofday(&today, NULL));
    refused("adjtimex", adjtimex(&adjustment));
    refused("clock_adjtime", clock_adjtime(CLOCK_REALTIME, &adjustment));
    refused("sethostname", sethostname(name.nodename, 7));
    refused("setdomainname", setdomainname("(none)", 6));
    refused("swapon", swapon("/tmp/none", 0));
    refused("swapoff", swapoff("/tmp/none"));
    refused("quotactl", syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
    refused("quotactl_fd", syscall(443, open("/", O_RDONLY), QCMD(Q_GETINFO, USRQUOTA), 0, text));
    refused("acct", acct("/tmp/none"));
    refused("the kernel's log", klogctl(3, text, sizeof text));
    refused("the size of the kernel's log", klogctl(10, NULL, 0));
    refused("the kernel's log by device", open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
    refused("the kernel's log by file", open("/proc/kmsg", O_RDONLY | O_NONBLOCK));
    refused("vhangup", vhangup());
    refused("lookup_dcookie", syscall(SYS_lookup_dcookie, 0ULL, text, sizeof text));
    if (reached == 0) puts("contained");
    return 0;
}
