#include <signal.h>
#include <unistd.h>

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) {
            if (fork()) _exit(0);
            for (;;) {}
        }
    }
    for (;;) pause();
}
