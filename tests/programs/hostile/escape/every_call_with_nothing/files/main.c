#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A call that waits, stops or ends its process does so to a child, which an alarm ends.
static void try(long number) {
    pid_t child = fork();
    if (child == 0) {
        alarm(1);
        // To everyone is to this program too.
        if (number == SYS_kill) _exit(0);
        syscall(number, 0, 0, 0, 0, 0, 0);
        syscall(number, -1, -1, -1, -1, -1, -1);
        _exit(0);
    }
    while (waitpid(child, NULL, WNOHANG) == 0) {
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
        static int looks;
        // It may have stopped itself, or put off its alarm.
        if (++looks % 100 == 0) kill(child, SIGKILL);
    }
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (long number = 0; number < 480; number++) {
        try(number);
    }
    puts("contained");
    return 0;
}
