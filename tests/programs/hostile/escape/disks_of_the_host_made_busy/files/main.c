#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    int image = open("/etc/passwd", O_RDONLY), root = open("/", O_RDONLY), own = open("/tmp/own", O_CREAT | O_RDWR, 0600), failed = 0;
    struct timespec began, ended;
    if (write(own, "x", 1) != 1) return 1;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int times = 0; times < 50; times++) {
        sync();
        failed += syncfs(root) + syncfs(image) + fsync(image) + fsync(own) + fdatasync(own);
        failed += sync_file_range(image, 0, 0, SYNC_FILE_RANGE_WRITE) != 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (failed == 0) puts("contained");
    else printf("broken: %d failed in %ld s\n", failed, (long)(ended.tv_sec - began.tv_sec));
    return 0;
}
