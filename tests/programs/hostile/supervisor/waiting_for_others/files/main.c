#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, int pid, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %d\n", name, pid);
}

int main(void) {
    siginfo_t about;
    pid_t others[] = {1, getppid(), 0x7fffffff};
    for (int n = 0; n < 3; n++) {
        int by_descriptor = (int)syscall(434 /* pidfd_open */, others[n], 0);
        refused("wait4", others[n], wait4(others[n] ? others[n] : 1, NULL, WNOHANG | __WALL, NULL));
        refused("waitid", others[n], waitid(P_PID, others[n] ? others[n] : 1, &about, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT));
        refused("waitid by descriptor", others[n], waitid((idtype_t)3, by_descriptor, &about, WEXITED | WNOHANG));
        struct pollfd end = {by_descriptor, POLLIN, 0};
        if (by_descriptor >= 0 && poll(&end, 1, 0) != 0) reached++, printf("the end of %d\n", others[n]);
    }
    refused("wait for a group", 0, waitpid(0, NULL, WNOHANG));
    refused("wait for any", -1, waitpid(-1, NULL, WNOHANG));
    // An orphan's child goes to the first process, not to its grandfather.
    int ends[2];
    if (pipe(ends) != 0) return 1;
    if (fork() == 0) {
        if (fork() == 0) {
            char byte;
            close(ends[1]);
            if (read(ends[0], &byte, 1) == 0) _exit(3);
        }
        _exit(0);
    }
    wait(NULL);
    close(ends[1]);
    refused("wait for a grandchild", 0, waitpid(-1, NULL, 0));
    if (reached == 0) puts("contained");
    return 0;
}
