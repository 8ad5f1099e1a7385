#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) {
            for (;;) pause();
        }
    }
    kill(-1, SIGKILL);
    int killed = 0, status;
    while (wait(&status) > 0) killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    printf("%d of 8 children were killed\n", killed);
    puts("the program goes on");
    return 0;
}
