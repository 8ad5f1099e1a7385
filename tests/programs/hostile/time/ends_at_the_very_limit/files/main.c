#include <unistd.h>

int main(void) {
    for (int n = 0; n < 20; n++) {
        if (fork() == 0) break;
    }
    usleep(200000);
    return 0;
}
