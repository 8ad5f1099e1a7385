#include <stdio.h>

int main(void) {
    for (int n = 0; n < 512; n++) putchar(n & 255);
    return 0;
}
