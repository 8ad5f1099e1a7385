#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    const int exit_signals[] = {0, SIGSTOP, SIGKILL, SIGCONT, SIGSEGV, 33, 34, 64};
    signal(SIGSEGV, SIG_IGN);
    for (int n = 0; n < 8; n++) {
        pid_t middle = fork();
        if (middle == 0) {
            for (int twice = 0; twice < 2; twice++) {
                if (syscall(SYS_clone, exit_signals[n], 0, 0, 0, 0) == 0) {
                    for (;;) {}
                }
            }
            _exit(0);
        }
        waitpid(middle, NULL, __WALL);
    }
    for (;;) pause();
}
