#include <alloca.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : (size_t)1 << 30;
    volatile char *far = alloca(size);
    *far = 1;
    return *far;
}
