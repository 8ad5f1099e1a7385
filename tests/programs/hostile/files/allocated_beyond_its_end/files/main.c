#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int refused(int mode, off_t offset, off_t size) {
    int file = open("/tmp/room", O_CREAT | O_TRUNC | O_RDWR, 0600);
    int result = fallocate(file, mode, offset, size);
    close(file);
    return result < 0 && (errno == ENOSPC || errno == EOPNOTSUPP || errno == EFBIG);
}

int main(void) {
    int held = refused(FALLOC_FL_KEEP_SIZE, 0, 1L << 30) && refused(FALLOC_FL_KEEP_SIZE, 1L << 29, 1L << 29);
    puts(held ? "contained" : "broken: a GiB is reserved");
    return 0;
}
