#include <sys/resource.h>

int main(void) {
    struct rlimit second = {1, 2};
    setrlimit(RLIMIT_CPU, &second);
    for (;;) {}
}
