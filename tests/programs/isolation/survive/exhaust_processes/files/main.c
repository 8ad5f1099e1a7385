#include <unistd.h>

int main(void) {
    for (;;) {
        pid_t child = fork();
        if (child == 0) {
            setsid();
            for (;;) pause();
        }
        if (child < 0) usleep(1000);
    }
}
