#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char before[4096], after[4096];
static void *mapped;
static volatile int over;

static void *drop(void *none) {
    while (!over) madvise(mapped, 4096, MADV_DONTNEED);
    return none;
}

static void *spoil(void *none) {
    int memory = open("/proc/self/mem", O_RDWR);
    while (!over && memory >= 0) {
        if (pwrite(memory, "spoiled", 7, (off_t)mapped) < 0) break;
    }
    return none;
}

int main(void) {
    int file = open("/etc/passwd", O_RDONLY);
    pthread_t threads[2];
    if (pread(file, before, sizeof before, 0) <= 0) return 1;
    mapped = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    pthread_create(&threads[0], NULL, drop, NULL);
    pthread_create(&threads[1], NULL, spoil, NULL);
    while (clock() < CLOCKS_PER_SEC / 5) {
        if (pread(file, after, sizeof after, 0) <= 0 || memcmp(before, after, sizeof before) != 0) return puts("/etc/passwd has changed"), 0;
    }
    over = 1;
    for (int n = 0; n < 2; n++) pthread_join(threads[n], NULL);
    puts("contained");
    return 0;
}
