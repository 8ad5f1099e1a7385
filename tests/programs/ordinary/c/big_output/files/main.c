#include <stdint.h>
#include <stdio.h>

int main(void) {
    uint32_t state = 7;
    for (int line = 0; line < 60000; line++) {
        printf("%06d ", line);
        for (int n = 0; n < 42; n++) {
            state = state * 1664525 + 1013904223;
            putchar('a' + (int)(state >> 24) % 26);
        }
        putchar('\n');
    }
    return 0;
}
