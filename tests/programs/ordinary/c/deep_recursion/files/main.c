#include <stdio.h>

static int depth_of(volatile const int *left, volatile int depth) {
    volatile char frame[32] = {0};
    frame[depth % 32] = 1;
    if (*left == depth) return frame[depth % 32];
    return depth_of(left, depth + 1) + frame[depth % 32];
}

static unsigned ackermann(unsigned m, unsigned n) {
    if (m == 0) return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

int main(void) {
    volatile const int depth = 500000;
    printf("%d\n", depth_of(&depth, 1));
    printf("%u\n", ackermann(2, 300));
    return 0;
}
