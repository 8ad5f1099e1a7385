#include <ctype.h>
#include <stdint.h>
#include <stdio.h>

int main(void) {
    long bytes = 0, lines = 0, words = 0, zeros = 0;
    uint32_t a = 1, b = 0;
    int c, inside = 0;
    while ((c = getchar()) != EOF) {
        bytes++;
        lines += c == '\n';
        zeros += c == 0;
        words += !isspace(c) && !inside;
        inside = !isspace(c);
        a = (a + (uint32_t)c) % 65521;
        b = (b + a) % 65521;
    }
    printf("%ld bytes, %ld lines, %ld words, %ld zeros, adler32 %08x\n", bytes, lines, words, zeros, b << 16 | a);
    return 0;
}
