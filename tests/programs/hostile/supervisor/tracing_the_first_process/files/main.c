#define _GNU_SOURCE
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, pid_t pid, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %d\n", name, pid);
}

int main(void) {
    struct user_regs_struct registers;
    pid_t others[] = {1, getppid(), 2, 3, 4, 5, 6, 7, 8};
    for (int n = 0; n < 9; n++) {
        pid_t pid = others[n];
        if (pid == getpid() || pid == 0) continue;
        refused("attach", pid, ptrace(PTRACE_ATTACH, pid, 0, 0));
        refused("seize", pid, ptrace(PTRACE_SEIZE, pid, 0, 0));
        refused("interrupt", pid, ptrace(PTRACE_INTERRUPT, pid, 0, 0));
        refused("registers", pid, ptrace(PTRACE_GETREGS, pid, 0, &registers));
        refused("word", pid, ptrace(PTRACE_POKEDATA, pid, 0x400000, 0));
        refused("filter", pid, ptrace(0x420c /* PTRACE_SECCOMP_GET_FILTER */, pid, 0, 0));
    }
    // Its parent becomes its tracer: here the first process, which asked for nothing.
    pid_t child = fork();
    if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    if (reached == 0) puts(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "contained" : "broken: a child cannot be traced");
    return 0;
}
