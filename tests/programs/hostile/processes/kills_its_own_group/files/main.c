#include <signal.h>
#include <unistd.h>

int main(void) {
    if (fork() == 0) {
        for (;;) pause();
    }
    write(1, "before\n", 7);
    kill(0, SIGKILL);
    for (;;) pause();
}
