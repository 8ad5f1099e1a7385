#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    struct timespec used;
    long limit = argc > 1 ? atol(argv[1]) : 0;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < limit);
    return 0;
}
