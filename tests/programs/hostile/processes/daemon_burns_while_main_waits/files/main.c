#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    if (fork() == 0) {
        setsid();
        if (fork()) _exit(0);
        for (;;) {}
    }
    wait(NULL);
    for (;;) pause();
}
