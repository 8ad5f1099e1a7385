#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    const size_t size = 4UL << 40;
    volatile char *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return 1;
    write(1, "reserved 4 TiB\n", 15);
    for (size_t at = 0; at < size; at += 4096) all[at] = 1;
    return 0;
}
