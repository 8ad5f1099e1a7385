#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 4; n++) {
        if (fork() == 0) break;
    }
    if (vfork() == 0) {
        raise(SIGSTOP);
        for (;;) pause();
    }
    return 0;
}
