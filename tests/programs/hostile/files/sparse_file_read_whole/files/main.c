#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    int file = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    long size = 1L << 30, total = 0;
    if (ftruncate(file, size) != 0) return 1;
    for (ssize_t count; (count = read(file, block, sizeof block)) > 0;) total += count;
    puts(total == size ? "contained" : "broken: it is shorter");
    return 0;
}
