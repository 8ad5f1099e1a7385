#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    int zero = open("/dev/zero", O_RDWR);
    for (int n = 0; n < 32; n++) {
        long size = 16 << 20;
        char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
        if (bytes == MAP_FAILED) return 1;
        for (long at = 0; at < size; at += 4096) bytes[at] = 1;
    }
    puts("all of it");
    return 0;
}
