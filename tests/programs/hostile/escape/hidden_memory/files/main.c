#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMFD_SECRET 447 // The same on every architecture.

int main(void) {
    long size = 512 << 20;
    int hidden = (int)syscall(MEMFD_SECRET, 0);
    if (hidden < 0 || ftruncate(hidden, size) != 0) return puts("refused") < 0;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, hidden, 0);
    if (bytes == MAP_FAILED) return puts("not mapped") < 0;
    for (long at = 0; at < size; at += 4096) bytes[at] = 1;
    puts("all of it");
    return 0;
}
