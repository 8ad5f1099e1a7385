#include <signal.h>
#include <unistd.h>

static char block[4096];

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    write(1, "the program's own line\n", 23);
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) {
            setsid();
            signal(SIGPIPE, SIG_IGN);
            write(ends[1], "d", 1);
            for (;;) write(1 + n % 2, block, sizeof block);
        }
    }
    // All of them are at it when the program ends.
    for (int n = 0; n < 8; n++) read(ends[0], &byte, 1);
    return 0;
}
