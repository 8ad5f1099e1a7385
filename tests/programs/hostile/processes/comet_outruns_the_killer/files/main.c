#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    for (int n = 0; n < 6; n++) {
        if (fork() == 0) {
            for (int flown = 0;; flown++) {
                if (flown == 20) write(ends[1], "c", 1);
                if (fork() > 0) _exit(0);
            }
        }
    }
    for (int n = 0; n < 6; n++) read(ends[0], &byte, 1);
    write(1, "the comets fly\n", 15);
    return 0;
}
