#include <pthread.h>
#include <unistd.h>

static void *replace(void *none) {
    execl("/bin/sh", "sh", "-c", "echo replaced by its thread; exit 7", (char *)NULL);
    return none;
}

int main(void) {
    pthread_t thread;
    for (int n = 0; n < 4; n++) pthread_create(&thread, NULL, replace, NULL);
    pthread_exit(NULL);
}
