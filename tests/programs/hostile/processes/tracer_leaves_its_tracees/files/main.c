#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int held = 0, status;
    for (int n = 0; n < 6; n++) {
        pid_t child = fork();
        if (child == 0) {
            if (n % 2) {
                for (;;) pause();
            }
            for (;;) getppid();
        }
        if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD) != 0) continue;
        ptrace(PTRACE_INTERRUPT, child, 0, 0);
        if (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) held++;
        if (n % 3 == 0) ptrace(PTRACE_SYSCALL, child, 0, 0);
    }
    printf("%d are held\n", held);
    return 0;
}
