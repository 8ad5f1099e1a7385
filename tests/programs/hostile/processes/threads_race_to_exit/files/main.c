#include <pthread.h>
#include <unistd.h>

static pthread_barrier_t start;

static void *end(void *odd) {
    pthread_barrier_wait(&start);
    if (odd) {
        if (fork() == 0) {
            for (;;) pause();
        }
    }
    _exit(9);
}

int main(void) {
    pthread_barrier_init(&start, NULL, 33);
    for (long n = 0; n < 32; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, end, (void *)(n % 2)) != 0) return 1;
    }
    pthread_barrier_wait(&start);
    for (;;) pause();
}
