#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    char *high = mmap(NULL, 512 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (high == MAP_FAILED) return 1;
    munmap(high, 512 << 20);
    volatile char *top = mmap(high + (511 << 20), 4096, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    if (top == MAP_FAILED) return 1;
    for (long below = 0; below < 256L << 20; below += 4096) *(top - below) = 1;
    write(1, "grew beyond the limit\n", 22);
    return 0;
}
