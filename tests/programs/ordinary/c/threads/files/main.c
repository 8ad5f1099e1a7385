#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, EACH = 250000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static long long total;
static int finished;

static void *work(void *first) {
    long long sum = 0;
    for (long n = (long)first; n < (long)first + EACH; n++) sum += n % 7 * (n % 3);
    pthread_mutex_lock(&lock);
    total += sum;
    finished++;
    pthread_cond_signal(&done);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long n = 0; n < THREADS; n++) {
        if (pthread_create(&threads[n], NULL, work, (void *)(n * EACH))) return 1;
    }
    pthread_mutex_lock(&lock);
    while (finished < THREADS) pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
    for (int n = 0; n < THREADS; n++) pthread_join(threads[n], NULL);
    printf("%d threads, total %lld\n", finished, total);
    return 0;
}
