#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 1000; n++) {
        printf("child %d\n", n);
        fflush(stdout);
        if (fork() == 0) {
            while (clock() < 60 * CLOCKS_PER_SEC / 1000) {}
            _exit(0);
        }
        wait(NULL);
    }
    return 0;
}
