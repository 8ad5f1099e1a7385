#include <stdio.h>

int main(void) {
    puts("the real one");
    return 0;
}
