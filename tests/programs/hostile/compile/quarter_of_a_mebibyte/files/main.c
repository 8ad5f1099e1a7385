#include <stdio.h>

int main(void) {
    puts("large");
    return 0;
}
