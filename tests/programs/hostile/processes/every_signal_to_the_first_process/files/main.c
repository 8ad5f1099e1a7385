#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int worked;

static void refused(const char *call, int number, long result) {
    if (result < 0) return;
    printf("%s(%d) works\n", call, number);
    worked++;
}

int main(void) {
    int first = (int)syscall(SYS_pidfd_open, 1, 0);
    int ends[2];
    if (pipe(ends) != 0) return 1;
    for (int number = 1; number < 65; number++) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        info.si_code = SI_QUEUE;
        refused("kill", number, kill(1, number));
        refused("tkill", number, syscall(SYS_tkill, 1, number));
        refused("tgkill", number, syscall(SYS_tgkill, 1, 1, number));
        refused("rt_sigqueueinfo", number, syscall(SYS_rt_sigqueueinfo, 1, number, &info));
        refused("rt_tgsigqueueinfo", number, syscall(SYS_rt_tgsigqueueinfo, 1, 1, number, &info));
        refused("pidfd_send_signal", number, syscall(SYS_pidfd_send_signal, first, number, NULL, 0));
    }
    puts(worked ? "some work" : "all refused");
    return 0;
}
