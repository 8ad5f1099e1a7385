#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, int number, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %d\n", name, number);
}

static void send_all(pid_t to) {
    int by_descriptor = (int)syscall(434 /* pidfd_open */, to, 0), ends[2];
    for (int number = 0; number <= 64; number++) {
        siginfo_t about = {.si_signo = number, .si_code = SI_QUEUE};
        refused("kill", number, kill(to, number));
        refused("tgkill", number, syscall(SYS_tgkill, to, to, number));
        refused("tkill", number, syscall(SYS_tkill, to, number));
        refused("sigqueue", number, sigqueue(to, number, (union sigval){0}));
        refused("rt_sigqueueinfo", number, syscall(SYS_rt_sigqueueinfo, to, number, &about));
        refused("rt_tgsigqueueinfo", number, syscall(SYS_rt_tgsigqueueinfo, to, to, number, &about));
        if (by_descriptor >= 0) refused("pidfd_send_signal", number, syscall(424, by_descriptor, number, NULL, 0));
    }
    // An owner of a descriptor is sent SIGIO, or what F_SETSIG says, by the kernel.
    if (pipe(ends) != 0) return;
    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    fcntl(ends[0], F_SETSIG, SIGKILL);
    fcntl(ends[0], F_SETOWN, to);
    for (int times = 0; times < 10; times++) refused("write", 0, write(ends[1], "x", 1) == 1 ? -1 : 0);
}

int main(void) {
    send_all(1);
    if (getppid() > 1) send_all(getppid());
    refused("its group is the first process's", 0, getpgid(1) == getpgrp() ? 0 : -1);
    refused("killpg", 0, getpgid(1) > 1 ? killpg(getpgid(1), 0) : -1);
    if (reached == 0) puts(kill(getpid(), 0) == 0 ? "contained" : "broken: it cannot signal itself");
    return 0;
}
