#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : (size_t)1 << 60;
    void *volatile all = malloc(size);
    if (all) return 0;
    fputs("out of memory\n", stderr);
    return 1;
}
