#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    for (int code = 0; code < 256; code++) {
        if (fork() == 0) _exit(code);
        wait(NULL);
    }
    for (int number = 1; number < 32; number++) {
        if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) continue;
        if (fork() == 0) {
            raise(number);
            _exit(0);
        }
        wait(NULL);
    }
    return 77;
}
