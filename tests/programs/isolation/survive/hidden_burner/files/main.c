#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
        if (fork()) _exit(0);
        while (clock() < 3 * CLOCKS_PER_SEC / 10) {}
        _exit(0);
    }
    while (wait(NULL) > 0) {}
    struct timespec pause_time = {0, 600000000};
    nanosleep(&pause_time, NULL);
    return 0;
}
