#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int made = 0;
    for (pid_t child; (child = fork()) >= 0; made++) {
        if (child == 0) _exit(0);
        if (made > 1000) return 1;
    }
    if (errno == EAGAIN && made < 24) puts("refused while zombies stand");
    while (wait(NULL) > 0) {}
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0 && waitpid(child, NULL, 0) == child) puts("made again when they are reaped");
    return 0;
}
