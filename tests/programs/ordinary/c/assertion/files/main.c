#include <assert.h>
#include <stdio.h>

int main(void) {
    volatile int balance = 3;
    printf("balance %d\n", balance);
    fflush(stdout);
    assert(balance > 10);
    return 0;
}
