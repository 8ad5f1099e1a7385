#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 6; n++) {
        if (fork() == 0) {
            volatile char *own = malloc(12 << 20);
            for (int at = 0; own && at < 12 << 20; at += 4096) own[at] = 1;
            for (;;) pause();
        }
    }
    wait(NULL);
    return 0;
}
