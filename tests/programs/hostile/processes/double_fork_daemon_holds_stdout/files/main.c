#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    if (fork() == 0) {
        setsid();
        if (fork()) _exit(0);
        for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
        for (;;) pause();
    }
    wait(NULL);
    puts("main has ended");
    return 0;
}
