#define _GNU_SOURCE
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { HUGE = 2 << 20 };

// A file or segment may be made where none is there; only touching takes one.
static int touches(void *at) {
    if (at == MAP_FAILED) return 0;
    memset(at, 1, HUGE);
    return 1;
}

int main(void) {
    const int access = PROT_READ | PROT_WRITE;
    int file = memfd_create("huge", MFD_HUGETLB);
    int segment = shmget(IPC_PRIVATE, HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
    int taken = touches(mmap(NULL, HUGE, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
    if (file >= 0 && ftruncate(file, HUGE) == 0) taken += touches(mmap(NULL, HUGE, access, MAP_SHARED, file, 0));
    if (segment >= 0) taken += touches(shmat(segment, NULL, 0));
    if (!taken) write(1, "no huge page of the host\n", 25);

    const size_t size = 256UL << 20;
    char *all = mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(all, size, MADV_HUGEPAGE);
    for (size_t at = 0; at < size; at += 4096) all[at] = 1;
    return 0;
}
