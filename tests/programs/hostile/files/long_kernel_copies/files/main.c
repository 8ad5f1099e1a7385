#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int sparse = open("/tmp/sparse", O_CREAT | O_RDWR, 0600), null = open("/dev/null", O_WRONLY), ends[2];
    if (ftruncate(sparse, 1L << 30) != 0 || pipe(ends) != 0) return 1;
    for (int n = 0; n < 3; n++) {
        if (fork() == 0) break;
    }
    for (;;) {
        static char block[1 << 20];
        struct iovec many[512];
        off_t from = 0;
        for (int n = 0; n < 512; n++) many[n] = (struct iovec){block, sizeof block};
        while (sendfile(null, sparse, &from, 1L << 30) > 0) {}
        if (preadv(sparse, many, 512, 0) < 0) return 1;
    }
}
