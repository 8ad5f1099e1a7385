#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int orphans = 0;
    for (int n = 0; n < 1000; n++) {
        pid_t child = fork();
        if (child == 0) {
            if (fork() == 0) _exit(1);
            _exit(0);
        }
        // Of all 64 places none is free again until the first process has reaped.
        if (child < 0 && errno == EAGAIN) n--;
        else orphans++;
        if (child > 0) waitpid(child, NULL, 0);
    }
    puts(orphans == 1000 ? "contained" : "broken: it could not make them");
    return 0;
}
