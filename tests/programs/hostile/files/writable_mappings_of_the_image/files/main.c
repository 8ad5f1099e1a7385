#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    static const char *const files[] = {"/etc/passwd", "/bin/sh", "/lib/x86_64-linux-gnu/libc.so.6", "/etc/hosts"};
    int reached = 0;
    for (int n = 0; n < 4; n++) {
        char again[64];
        int file = open(files[n], O_RDONLY), path_only = open(files[n], O_PATH);
        if (mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED) reached++, printf("%s mapped\n", files[n]);
        void *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        if (shared != MAP_FAILED && mprotect(shared, 4096, PROT_READ | PROT_WRITE) == 0) reached++, printf("%s unprotected\n", files[n]);
        snprintf(again, sizeof again, "/proc/self/fd/%d", file);
        int ways = open(again, O_WRONLY) >= 0;
        snprintf(again, sizeof again, "/proc/self/fd/%d", path_only);
        ways += open(again, O_RDWR) >= 0;
        ways += fcntl(file, F_SETFL, O_RDWR) == 0 && write(file, "x", 1) == 1;
        ways += ftruncate(file, 0) == 0;
        if (ways != 0) reached++, printf("%s opened again\n", files[n]);
    }
    if (reached == 0) puts("contained");
    return 0;
}
