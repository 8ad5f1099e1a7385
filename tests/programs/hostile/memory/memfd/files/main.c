#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    for (int n = 0; n < 16; n++) {
        int file = memfd_create("hog", 0);
        if (file < 0) return 1;
        for (int m = 0; m < 32; m++) {
            if (write(file, block, sizeof block) < 0) return 2;
        }
    }
    return 0;
}
