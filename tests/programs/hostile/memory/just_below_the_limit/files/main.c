#include <stdlib.h>

enum { SIZE = 56 << 20 };

int main(void) {
    volatile char *all = malloc(SIZE);
    if (!all) return 1;
    for (int at = 0; at < SIZE; at += 4096) all[at] = 1;
    return all[4096] - 1;
}
