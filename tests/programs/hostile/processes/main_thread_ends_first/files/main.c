#include <pthread.h>

static void *burn(void *none) {
    for (;;) {}
    return none;
}

int main(void) {
    pthread_t thread;
    for (int n = 0; n < 3; n++) {
        if (pthread_create(&thread, NULL, burn, NULL) != 0) return 1;
    }
    pthread_exit(NULL);
}
