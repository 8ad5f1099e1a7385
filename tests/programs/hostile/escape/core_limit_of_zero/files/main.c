#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>

int main(void) {
    struct rlimit none = {0, 0}, now;
    setrlimit(RLIMIT_CORE, &none);
    prlimit(0, RLIMIT_CORE, &none, NULL);
    if (prlimit(0, RLIMIT_CORE, NULL, &now) != 0) return puts("broken: it cannot even be read"), 1;
    // It may be told that it was set. Of 0, the kernel asks nothing before it starts a handler behind a pipe; of 1 it refuses (core(5)).
    if (now.rlim_cur == 1 && now.rlim_max == 1) puts("contained");
    else printf("broken: %llu of %llu\n", (unsigned long long)now.rlim_cur, (unsigned long long)now.rlim_max);
    return 0;
}
