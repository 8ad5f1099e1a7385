#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 22 };

int main(void) {
    int zero = open("/dev/zero", O_RDONLY);
    for (;;) {
        char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) return 1;
        read(zero, memory, SIZE);
        munmap(memory, SIZE);
    }
}
