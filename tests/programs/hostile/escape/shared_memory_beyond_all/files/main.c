#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void) {
    static const size_t sizes[] = {1UL << 40, 1UL << 50, 1UL << 62, 0x695f9c1234567807, 1UL << 63, ~0UL, ~0xfffUL};
    int reached = 0;
    for (int n = 0; n < 7; n++) {
        if (shmget(IPC_PRIVATE, sizes[n], 0600) >= 0) reached++, printf("%zu bytes\n", sizes[n]);
    }
    if (reached == 0) puts(shmget(IPC_PRIVATE, 4096, 0600) >= 0 ? "contained" : "broken: it has none at all");
    return 0;
}
