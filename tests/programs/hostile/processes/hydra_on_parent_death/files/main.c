#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static void grow(int number) {
    (void)number;
    for (int heads = 0; heads < 2; heads++) {
        if (fork() == 0) prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
    }
}

int main(void) {
    struct sigaction action = {.sa_handler = grow, .sa_flags = SA_NODEFER};
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    sigaction(SIGUSR1, &action, NULL);
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
            write(ends[1], "h", 1);
            for (;;) pause();
        }
    }
    for (int n = 0; n < 8; n++) read(ends[0], &byte, 1);
    write(1, "the hydra lives\n", 16);
    return 0;
}
