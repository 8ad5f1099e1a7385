#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define ON_EXIT 0x40 // PTRACE_O_TRACEEXIT

// One direction alone: that much ends by itself, where it is not refused.
int main(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    int seized = ptrace(PTRACE_SEIZE, child, 0, ON_EXIT) == 0 || ptrace(PTRACE_SEIZE, child, 0, ON_EXIT | PTRACE_O_TRACEFORK) == 0;
    int traced = ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0;
    ptrace(PTRACE_INTERRUPT, child, 0, 0);
    waitpid(child, &status, 0);
    int set = ptrace(PTRACE_SETOPTIONS, child, 0, ON_EXIT) == 0 || ptrace(PTRACE_SETOPTIONS, child, 0, 0x1000ff) == 0;
    int others = ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD) == 0;
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) == child && !WIFEXITED(status) && !WIFSIGNALED(status)) ptrace(PTRACE_CONT, child, 0, 0);
    if (!seized && !set && traced && others) puts("contained");
    else printf("broken: seized %d, set %d; otherwise traced %d, %d\n", seized, set, traced, others);
    return 0;
}
