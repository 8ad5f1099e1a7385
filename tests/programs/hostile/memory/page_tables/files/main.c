#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    // 32,768 tables of 4 KiB: four times the limit.
    const size_t step = 2UL << 20, size = 32768 * step;
    volatile const char *all = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return 1;
    madvise((void *)all, size, MADV_NOHUGEPAGE);
    long sum = 0;
    for (size_t at = 0; at < size; at += step) sum += all[at];
    printf("beyond the limit %ld\n", sum);
    return 1;
}
