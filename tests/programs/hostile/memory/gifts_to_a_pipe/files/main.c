#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE = 1 << 20 };

int main(void) {
    long held = 0;
    for (int n = 0; n < 400 && held < 64L << 20; n++) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) != 0) break;
        fcntl(ends[1], F_SETPIPE_SZ, SIZE);
        for (;;) {
            char *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (page == MAP_FAILED) return 1;
            memset(page, 1, SIZE);
            struct iovec gift = {page, SIZE};
            ssize_t given = vmsplice(ends[1], &gift, 1, SPLICE_F_GIFT | SPLICE_F_NONBLOCK);
            munmap(page, SIZE);
            if (given <= 0) break;
            held += given;
        }
    }
    printf("%ld MiB wait, %s the limit\n", held >> 20, held > 16L << 20 ? "beyond" : "within");
    return 1;
}
