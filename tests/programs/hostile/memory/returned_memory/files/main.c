#include <string.h>
#include <sys/mman.h>

enum { SIZE = 16 << 20 };

int main(void) {
    char *window = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (window == MAP_FAILED) return 1;
    for (int n = 0; n < 64; n++) {
        memset(window, n, SIZE);
        madvise(window, SIZE, MADV_DONTNEED);
    }
    return window[SIZE / 2];
}
