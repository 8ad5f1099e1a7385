#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    long seized = ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
    if (seized != 0 && ptrace(PTRACE_SEIZE, child, 0, 0) != 0) return 1;
    ptrace(PTRACE_INTERRUPT, child, 0, 0);
    waitpid(child, NULL, __WALL);
    long set = ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT);
    ptrace(PTRACE_DETACH, child, 0, 0);
    kill(child, SIGKILL);
    printf("%s, %s\n", seized ? "refused" : "works", set ? "refused" : "works");
    return 0;
}
