#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    const char *const places[] = {"here", "/tmp/full", "/dev/shm/full"};
    for (int n = 0; n < 3; n++) {
        int file = open(places[n], O_WRONLY | O_CREAT, 0600);
        while (write(file, block, sizeof block) == sizeof block) {}
    }
    puts("all are full");
    return 0;
}
