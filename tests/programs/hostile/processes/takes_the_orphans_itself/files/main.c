#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int ends[2], mine = 0;
    if (pipe(ends) != 0) return 1;
    int is_reaper = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    pid_t self = getpid();
    for (int n = 0; n < 10; n++) {
        pid_t middle = fork();
        if (middle == 0) {
            pid_t parent = getpid();
            if (fork()) _exit(0);
            while (getppid() == parent) usleep(1000);
            char answer = getppid() == self;
            write(ends[1], &answer, 1);
            for (;;) pause();
        }
        waitpid(middle, NULL, 0);
    }
    for (int n = 0; n < 10; n++) {
        char answer = 0;
        read(ends[0], &answer, 1);
        mine += answer;
    }
    puts(mine == (is_reaper ? 10 : 0) ? "all orphans are accounted for" : "some are lost");
    return 0;
}
