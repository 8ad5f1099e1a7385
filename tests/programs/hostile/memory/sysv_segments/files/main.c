#include <string.h>
#include <sys/shm.h>

int main(void) {
    for (int n = 0; n < 64; n++) {
        int segment = shmget(IPC_PRIVATE, 4 << 20, IPC_CREAT | 0600);
        void *at = shmat(segment, NULL, 0);
        if (segment < 0 || at == (void *)-1) return 1;
        memset(at, 1, 4 << 20);
        shmdt(at);
    }
    return 0;
}
