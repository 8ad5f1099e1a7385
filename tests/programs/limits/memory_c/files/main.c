#include <stdio.h>
#include <stdlib.h>

enum { STEP = 4096 };
static const size_t TWO_GIB = (size_t)2 << 30;

int main(void) {
    char *memory = malloc(TWO_GIB);
    if (!memory) return 3;
    for (size_t at = 0; at < TWO_GIB; at += STEP) memory[at] = 1;
    printf("%d\n", memory[TWO_GIB - STEP]);
    return 0;
}
