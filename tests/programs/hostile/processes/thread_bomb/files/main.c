#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *wait_for_ever(void *none) {
    for (;;) pause();
    return none;
}

int main(void) {
    for (int made = 0; made < 1000; made++) {
        pthread_t thread;
        pthread_attr_t small;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 1 << 16);
        if (pthread_create(&thread, &small, wait_for_ever, NULL) != 0) {
            printf("refused %s the limit\n", made < 24 ? "within" : "beyond");
            return 1;
        }
    }
    puts("never refused");
    return 0;
}
