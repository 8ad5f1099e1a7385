#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    for (int n = 0; n < 16; n++) {
        long sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (sibling == 0) {
            if (n % 2) _exit(0);
            kill(getpid(), SIGSEGV);
        }
    }
    // The last writing end closes with the last sibling.
    close(ends[1]);
    read(ends[0], &byte, 1);
    return 5;
}
