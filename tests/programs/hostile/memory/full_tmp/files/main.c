#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    int file = open("/tmp/full", O_WRONLY | O_CREAT, 0600), written = 0;
    while (write(file, block, sizeof block) == sizeof block) written++;
    printf("%s, %s the limit\n", strerror(errno), written > 64 ? "beyond" : "within");
    return 0;
}
