#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int reached;

// In a child of its own: what works must not change what the next call meets.
static void by_unshare(const char *name, unsigned long long flags) {
    int status;
    if (fork() == 0) _exit(syscall(SYS_unshare, flags) == 0);
    wait(&status);
    if (status != 0) reached++, printf("unshare: %s\n", name);
}

static void by_clone(const char *name, unsigned long long flags) {
    long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    if (child < 0) return;
    wait(NULL);
    reached++, printf("clone: %s\n", name);
}

static void by_clone3(const char *name, unsigned long long flags) {
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) _exit(0);
    if (child < 0) return;
    wait(NULL);
    reached++, printf("clone3: %s\n", name);
}

int main(void) {
    static const struct { const char *name; unsigned long long flag; } all[] = {
        {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},       {"net", CLONE_NEWNET},
        {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},  {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80},
    };
    for (int n = 0; n < 8; n++) {
        by_unshare(all[n].name, all[n].flag);
        by_unshare(all[n].name, all[n].flag | CLONE_NEWUSER);
        by_clone3(all[n].name, all[n].flag);
        by_clone3(all[n].name, all[n].flag | CLONE_NEWUSER);
        // The time namespace's bit is part of the signal's number there.
        if (all[n].flag == 0x80) continue;
        by_clone(all[n].name, all[n].flag);
        by_clone(all[n].name, all[n].flag | CLONE_NEWUSER);
        // A filter that reads 32 bits of an argument, and a kernel that reads 64.
        by_clone(all[n].name, all[n].flag | 1ULL << 40);
    }
    by_clone3("into a cgroup", 0x200000000ULL);
    int plain = fork();
    if (plain == 0) _exit(0);
    if (reached == 0) puts(plain > 0 && wait(NULL) == plain ? "contained" : "broken: it cannot even fork");
    return 0;
}
