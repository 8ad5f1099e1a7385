#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    char part[5000];
    memset(part, 'p', sizeof part);
    for (int n = 0; n < 100; n++) {
        fcntl(1, F_SETPIPE_SZ, n % 2 ? 4096 : 1 << 20);
        for (size_t at = 0; at < sizeof part;) {
            ssize_t written = write(1, part + at, sizeof part - at);
            if (written < 0) return 1;
            at += (size_t)written;
        }
    }
    fcntl(0, F_SETPIPE_SZ, 4096);
    return 0;
}
