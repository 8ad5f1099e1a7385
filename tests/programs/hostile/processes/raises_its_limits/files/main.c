#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>

int main(void) {
    int raised = 0;
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit now, after;
        if (getrlimit(which, &now) != 0 || now.rlim_max == RLIM_INFINITY) continue;
        const rlim_t wanted[] = {now.rlim_max + 1, RLIM_INFINITY};
        for (int n = 0; n < 2; n++) {
            struct rlimit more = {wanted[n], wanted[n]};
            setrlimit(which, &more);
            prlimit(0, which, &more, NULL);
            getrlimit(which, &after);
            if (after.rlim_max > now.rlim_max) raised += printf("limit %d was raised\n", which) > 0;
        }
    }
    struct rlimit files, stack;
    getrlimit(RLIMIT_FSIZE, &files);
    getrlimit(RLIMIT_STACK, &stack);
    printf("files of %lu MiB, stack of %lu MiB\n", files.rlim_max >> 20, stack.rlim_max >> 20);
    if (!raised) puts("no limit was raised");
    return 0;
}
