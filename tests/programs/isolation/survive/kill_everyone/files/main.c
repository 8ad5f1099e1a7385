#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) break;
    }
    for (int round = 0; round < 200; round++) {
        for (int number = 1; number <= SIGRTMAX; number++) {
            if (number == SIGKILL && round < 199) continue;
            kill(1, number);
            kill(getppid(), number);
            if (number != SIGSTOP && number != SIGTSTP) kill(-1, number);
        }
    }
    return 0;
}
