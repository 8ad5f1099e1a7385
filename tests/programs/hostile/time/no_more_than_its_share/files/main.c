#include <unistd.h>

int main(void) {
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) break;
    }
    for (;;) {}
}
