#include <stdio.h>

int main(void) {
    puts("fits");
    return 0;
}
