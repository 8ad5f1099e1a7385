#include <pthread.h>

static void *burn(void *none) {
    for (;;) {}
    return none;
}

int main(void) {
    pthread_t threads[4];
    for (int n = 0; n < 4; n++) {
        if (pthread_create(&threads[n], NULL, burn, NULL) != 0) return 1;
    }
    pthread_join(threads[0], NULL);
    return 0;
}
