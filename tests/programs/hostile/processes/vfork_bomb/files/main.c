#define _GNU_SOURCE
#include <unistd.h>

int main(void) {
    // The children share this memory, so the first that is refused tells it once for all.
    static volatile int told;
    for (;;) {
        if (vfork() < 0 && !told) {
            told = 1;
            write(1, "refused\n", 8);
        }
    }
}
