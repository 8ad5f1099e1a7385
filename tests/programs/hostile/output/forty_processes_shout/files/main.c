#include <unistd.h>

int main(void) {
    for (int n = 0; n < 39; n++) {
        if (fork() == 0) break;
    }
    for (;;) {
        write(1, "all at once, all at once\n", 25);
        write(2, "all at once, all at once\n", 25);
    }
}
