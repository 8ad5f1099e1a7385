#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1000000 };
static uint32_t numbers[COUNT];

static void sort(uint32_t *from, uint32_t *to) {
    while (to - from > 16) {
        uint32_t pivot = from[(to - from) / 2], *low = from, *high = to - 1;
        while (low <= high) {
            while (*low < pivot) low++;
            while (*high > pivot) high--;
            if (low <= high) {
                uint32_t kept = *low;
                *low++ = *high;
                *high-- = kept;
            }
        }
        if (high - from < to - low) {
            sort(from, high + 1);
            from = low;
        } else {
            sort(low, to);
            to = high + 1;
        }
    }
    for (uint32_t *place = from + 1; place < to; place++) {
        uint32_t value = *place, *hole = place;
        for (; hole > from && hole[-1] > value; hole--) *hole = hole[-1];
        *hole = value;
    }
}

int main(void) {
    uint64_t state = 42, hash = 14695981039346656037u;
    for (int n = 0; n < COUNT; n++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        numbers[n] = (uint32_t)(state >> 33);
    }
    sort(numbers, numbers + COUNT);
    for (int n = 0; n < COUNT; n++) {
        if (n && numbers[n - 1] > numbers[n]) return puts("not sorted"), 1;
        hash = (hash ^ numbers[n]) * 1099511628211u;
    }
    printf("%u %u %u %016llx\n", numbers[0], numbers[COUNT / 2], numbers[COUNT - 1], (unsigned long long)hash);
    return 0;
}
