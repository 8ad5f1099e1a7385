#include <stdio.h>

int main(void) {
    puts("the run");
    return 0;
}
