#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
static const long wanted[] = {SYS_unshare, SYS_keyctl, SYS_bpf, SYS_personality, SYS_socket, SYS_open_by_handle_at, 0x40000000L | SYS_getpid};
static const long first[] = {0x10000000, 0, 0, 0, 16 /* AF_NETLINK */, -100, 0};

// The child makes one call that is allowed for each that is wanted instead.
static void innocent(void) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    for (int n = 0; n < 7; n++) syscall(SYS_getppid, 0, 3, 0);
    _exit(0);
}

int main(void) {
    int status, seen = 0, worked = 0, entering = 0;
    pid_t child = fork();
    if (child == 0) innocent();
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (ptrace(PTRACE_SYSCALL, child, 0, 0) == 0 && waitpid(child, &status, 0) == child && !WIFEXITED(status)) {
        struct user_regs_struct registers;
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        ptrace(PTRACE_GETREGS, child, 0, &registers);
        if (!entering && registers.orig_rax == SYS_getppid && seen < 7) {
            registers.orig_rax = (unsigned long long)wanted[seen];
            registers.rdi = (unsigned long long)first[seen];
            ptrace(PTRACE_SETREGS, child, 0, &registers);
            entering = 1;
        } else if (entering) {
            if ((long)registers.rax >= 0) worked++, printf("call %ld answers %ld\n", wanted[seen], (long)registers.rax);
            seen++;
            entering = 0;
        }
    }
    if (worked == 0) puts(seen == 7 ? "contained" : "broken: it could not trace its own child");
    return 0;
}
#else
int main(void) { return puts("contained") < 0; }
#endif
