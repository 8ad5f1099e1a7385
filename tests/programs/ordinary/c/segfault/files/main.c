#include <stdio.h>

int main(void) {
    volatile int *volatile nowhere = NULL;
    puts("before");
    fflush(stdout);
    *nowhere = 1;
    puts("after");
    return 0;
}
