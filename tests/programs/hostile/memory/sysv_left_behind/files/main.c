#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void) {
    struct { long kind; char text[1024]; } message = {1, "left"};
    int left = 0;
    for (int n = 0; n < 16; n++) {
        int segment = shmget(0x1000 + n, 1 << 20, IPC_CREAT | IPC_EXCL | 0666);
        int queue = msgget(0x2000 + n, IPC_CREAT | IPC_EXCL | 0666);
        int semaphores = semget(0x3000 + n, 100, IPC_CREAT | IPC_EXCL | 0666);
        if (segment < 0 || queue < 0 || semaphores < 0) continue;
        memset(shmat(segment, NULL, 0), 1, 1 << 20);
        left += msgsnd(queue, &message, sizeof message.text, 0) == 0;
    }
    printf("left %d of each\n", left);
    return 0;
}
