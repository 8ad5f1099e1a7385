#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>

int main(void) {
    long held = 0;
    // A lock has about 200 bytes, so that all are more than the limit; a thousand are searched soon.
    for (int n = 0; n < 200; n++) {
        char name[32];
        snprintf(name, sizeof name, "locked-%d", n);
        int file = open(name, O_RDWR | O_CREAT, 0600);
        for (int at = 0; at < 1000; at++) {
            struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * at, .l_len = 1};
            if (fcntl(file, F_SETLK, &lock) == 0) held++;
        }
    }
    printf("%ld locks, %s the limit\n", held, held * 192 > 32 << 20 ? "beyond" : "within");
    return 1;
}
