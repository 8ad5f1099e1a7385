#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int reached;
static char still[4 << 20];

static void zero(const char *name, const char *bytes, size_t size) {
    for (size_t n = 0; n < size; n++) {
        if (bytes[n] == 0) continue;
        reached++;
        printf("%s: byte %zu is %d\n", name, n, bytes[n]);
        return;
    }
}

static const char *mapped(int file, size_t size, int flags) {
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (bytes == MAP_FAILED) exit(1);
    return bytes;
}

int main(void) {
    size_t size = 16 << 20;
    int memory = memfd_create("fresh", 0), file = open("/tmp/fresh", O_CREAT | O_RDWR, 0600), ends[2];
    if (ftruncate(memory, (off_t)size) != 0 || posix_fallocate(file, 0, 8 << 20) != 0 || pipe2(ends, O_NONBLOCK) != 0) return 1;
    zero("anonymous", mapped(-1, size, MAP_PRIVATE | MAP_ANONYMOUS), size);
    zero("shared", mapped(-1, size, MAP_SHARED | MAP_ANONYMOUS), size);
    zero("a file in memory", mapped(memory, size, MAP_SHARED), size);
    zero("an allocated file", mapped(file, 8 << 20, MAP_SHARED), 8 << 20);
    zero("static", still, sizeof still);
    char *heap = malloc(size);
    zero("heap", heap, size);
    // What a program itself wrote comes back from its own heap, and nothing else does.
    if (read(ends[0], still, sizeof still) > 0) reached++, puts("a pipe is not empty");
    if (reached == 0) puts("contained");
    return 0;
}
