#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static int reached;

static void held(const char *name, int is_so) {
    if (is_so) return;
    reached++;
    puts(name);
}

int main(void) {
    sigset_t blocked, waiting;
    struct itimerval timer;
    struct rlimit files;
    int death = 0;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigpending(&waiting);
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (sigismember(&blocked, number) == 1 || sigismember(&waiting, number) == 1) held("a signal is blocked or pending", 0);
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) printf("%d ", number), held("a signal is ignored", 0);
    }
    for (int kind = 0; kind < 3; kind++) {
        getitimer(kind, &timer);
        held("a timer runs", timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
    }
    prctl(PR_GET_PDEATHSIG, &death);
    held("a signal waits for the parent's death", death == 0);
    held("nice is not 0", getpriority(PRIO_PROCESS, 0) == 0);
    held("the scheduler is not the ordinary one", sched_getscheduler(0) == SCHED_OTHER);
    held("it keeps its capabilities", prctl(PR_GET_KEEPCAPS) == 0);
    held("it cannot be looked into by itself", prctl(PR_GET_DUMPABLE) == 1);
    held("it may gain privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    held("it is in another's session", getsid(0) == getpid() && getpgrp() == getpid());
    held("it was given a file mask", umask(022) == 022);
    held("an alarm is set", alarm(0) == 0);
    getrlimit(RLIMIT_NOFILE, &files);
    held("more than 1024 files", files.rlim_max <= 1024);
    if (reached == 0) puts("contained");
    return 0;
}
