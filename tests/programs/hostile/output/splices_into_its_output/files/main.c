#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

static char block[65536];

int main(void) {
    int ends[2], copy[2], file = open("source", O_RDWR | O_CREAT, 0600);
    if (pipe2(ends, O_NONBLOCK) != 0 || pipe2(copy, O_NONBLOCK) != 0 || write(file, block, sizeof block) < 0) return 1;
    for (;;) {
        struct iovec whole = {block, sizeof block};
        off_t start = 0;
        // Not every kernel has all of these calls; with one of them it is endless.
        if (vmsplice(ends[1], &whole, 1, SPLICE_F_GIFT | SPLICE_F_NONBLOCK) < 0) write(ends[1], block, 4096);
        tee(ends[0], copy[1], sizeof block, SPLICE_F_NONBLOCK);
        splice(ends[0], NULL, 1, NULL, sizeof block, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        splice(copy[0], NULL, 1, NULL, sizeof block, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        sendfile(1, file, &start, sizeof block);
    }
}
