#include <stdio.h>

int main(void) {
    for (int n = 0; n < 512; n++) {
        putchar(n * 37 & 255);
        fputc(255 - (n & 255), stderr);
    }
    return 0;
}
