#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    static const char *const shared[] = {"/bin/sh", "/usr/bin/gcc", "/lib/x86_64-linux-gnu/libc.so.6", "/etc/passwd", "/etc/ld.so.cache",
                                         "/etc/hosts", "/"};
    int reached = 0;
    for (int n = 0; n < 7; n++) {
        int file = open(shared[n], O_RDONLY);
        if (file < 0) continue;
        if (fcntl(file, F_SETLEASE, F_RDLCK) == 0 || fcntl(file, F_SETLEASE, F_WRLCK) == 0) {
            reached++;
            printf("a lease on %s\n", shared[n]);
        }
        close(file);
    }
    if (reached == 0) puts("contained");
    return 0;
}
