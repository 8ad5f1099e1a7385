#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

// Fills one file that has no name any more; the bytes that went in.
static long fill(int file) {
    long written = 0;
    for (ssize_t count; written < 48 << 20 && (count = write(file, block, sizeof block)) > 0;) written += count;
    return written;
}

static long fill_all(int files[64], int *count) {
    long total = 0;
    for (*count = 0; *count < 64; ++*count) {
        files[*count] = open("/tmp/fill", O_CREAT | O_EXCL | O_RDWR, 0600);
        if (files[*count] < 0) break;
        unlink("/tmp/fill");
        errno = 0;
        total += fill(files[*count]);
        if (errno != 0) return ++*count, total;
    }
    return total;
}

int main(void) {
    int files[64], count, why;
    long first = fill_all(files, &count);
    why = errno;
    while (count > 0) close(files[--count]);
    long second = fill_all(files, &count);
    if (why == ENOSPC && errno == ENOSPC && first == second && first < 640L << 20) puts("contained");
    else printf("broken: %ld bytes, then %ld, errors %d and %d\n", first, second, why, errno);
    return 0;
}
