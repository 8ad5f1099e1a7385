#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
        if (fork()) _exit(0);
        while (clock() < 3 * CLOCKS_PER_SEC / 10) {}
        _exit(0);
    }
    while (wait(NULL) > 0) {}
    /* Nobody waits for the burner, but its end closes the pipe, however busy the machine is. */
    close(ends[1]);
    return (int)read(ends[0], &byte, 1);
}
