#include <stdio.h>
#include <unistd.h>

int main(void) {
    for (int n = 0;; n++) {
        printf("line %d\n", n);
        fflush(stdout);
        usleep(20000);
    }
}
