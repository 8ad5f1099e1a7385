#include <stdio.h>
#include <sys/personality.h>

int main(void) {
    static const unsigned long all[] = {ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, ADDR_COMPAT_LAYOUT, UNAME26, PER_LINUX32, PER_SVR4, 0};
    int reached = 0;
    for (int n = 0; n < 8; n++) {
        if (personality(all[n]) < 0) continue;
        reached++;
        printf("%lx\n", all[n]);
    }
    if (reached == 0) puts("contained");
    return 0;
}
