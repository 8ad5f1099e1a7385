#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    const char *const places[] = {"here", "/tmp/there"};
    for (int round = 0; round < 40; round++) {
        const char *place = places[round % 2];
        int file = open(place, O_WRONLY | O_CREAT | O_EXCL, 0600);
        for (int n = 0; n < 20; n++) {
            if (write(file, block, sizeof block) != sizeof block) return 1;
        }
        close(file);
        unlink(place);
    }
    puts("800 MiB came and went");
    return 0;
}
