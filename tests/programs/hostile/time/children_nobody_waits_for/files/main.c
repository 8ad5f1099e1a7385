#include <signal.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (fork() == 0) {
            while (clock() < 30 * CLOCKS_PER_SEC / 1000) {}
            _exit(0);
        }
        usleep(5000);
    }
}
