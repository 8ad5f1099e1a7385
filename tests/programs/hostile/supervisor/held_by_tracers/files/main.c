#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

// A child that runs forever in small steps, forking on.
static void restless(void) {
    for (;;) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        if (child > 0) waitpid(child, NULL, 0);
    }
}

int main(void) {
    static const long options[] = {PTRACE_O_TRACEFORK, PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK, PTRACE_O_TRACESYSGOOD, 0};
    int status, stopped = 0;
    for (int n = 0; n < 8; n++) {
        pid_t child = fork();
        if (child == 0) restless();
        if (ptrace(PTRACE_SEIZE, child, 0, options[n % 4]) != 0) continue;
        ptrace(PTRACE_INTERRUPT, child, 0, 0);
        waitpid(child, &status, __WALL);
        stopped += WIFSTOPPED(status);
        // Half of them go on, to stop somewhere else while this process ends.
        if (n % 2) ptrace(n % 4 == 1 ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, 0);
    }
    if (stopped == 8) puts("contained");
    else printf("broken: %d stopped\n", stopped);
    return 0;
}
