#include <unistd.h>

int main(void) {
    if (fork() == 0) {
        setsid();
        for (;;) {
            if (fork() > 0) _exit(0);
            for (volatile int n = 0; n < 20000; n++) {}
        }
    }
    for (;;) pause();
}
