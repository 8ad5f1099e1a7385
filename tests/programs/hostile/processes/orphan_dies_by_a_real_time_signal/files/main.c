#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    for (int number = 1; number < 65; number++) {
        // The stopped ones stay, and are gone with the job.
        int stops = number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
        pid_t middle = fork();
        if (middle == 0) {
            if (fork() == 0) {
                close(ends[0]);
                if (stops) {
                    // A group of its own: a stopped orphan may be the end of its whole group.
                    setsid();
                    close(ends[1]);
                }
                kill(getpid(), number);
            }
            _exit(0);
        }
        waitpid(middle, NULL, 0);
    }
    close(ends[1]);
    read(ends[0], &byte, 1);
    puts("the program ends well");
    return 0;
}
