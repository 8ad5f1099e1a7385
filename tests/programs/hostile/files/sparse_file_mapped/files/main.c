#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    long size = 1L << 30;
    int file = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    if (ftruncate(file, size) != 0) return 1;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) return 1;
    for (long at = 0; at < size; at += 4096) bytes[at] = 1;
    puts("all of it");
    return 0;
}
