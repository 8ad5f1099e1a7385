#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    int file = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    if (ftruncate(file, 1L << 30) == 0) puts("a gigabyte of nothing");
    fflush(stdout);
    return ftruncate(file, 2L << 30) == 0 ? puts("two gigabytes of nothing") : 1;
}
