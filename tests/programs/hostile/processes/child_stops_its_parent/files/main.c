#include <signal.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    if (fork() == 0) {
        pid_t parent = getppid();
        kill(parent, SIGSTOP);
        write(ends[1], "g", 1);
        for (;;) {
            kill(parent, SIGSTOP);
            usleep(1000);
        }
    }
    read(ends[0], &byte, 1);
    // Stopped here at the latest: the byte is written after the first stop was sent.
    for (volatile int n = 0; n < 1000; n++) getppid();
    write(1, "ended\n", 6);
    return 0;
}
