#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

int main(void) {
    mlockall(MCL_CURRENT | MCL_ONFAULT);
    for (int n = 0; n < 256; n++) {
        char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) return 1;
        mlock(more, 1 << 20);
        mlock2(more, 1 << 20, MLOCK_ONFAULT);
        memset(more, 1, 1 << 20);
    }
    return 0;
}
