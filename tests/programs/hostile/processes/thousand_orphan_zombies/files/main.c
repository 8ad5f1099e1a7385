#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

// The moment between an orphan's end and its reaping is not the program's: it tries again.
static pid_t fork_in_the_end(void) {
    pid_t child;
    while ((child = fork()) < 0) sched_yield();
    return child;
}

int main(void) {
    for (int n = 0; n < 1000; n++) {
        pid_t child = fork_in_the_end();
        if (child == 0) {
            if (fork_in_the_end() == 0) _exit(3);
            _exit(4);
        }
        waitpid(child, NULL, 0);
    }
    puts("1000 orphans came and went");
    return 0;
}
