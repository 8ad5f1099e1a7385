#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char before[4096], after[4096];

int main(void) {
    static const char *const files[] = {"/etc/passwd", "/bin/sh", "/usr/bin/gcc"};
    int reached = 0;
    for (int n = 0; n < 3; n++) {
        int ends[2], file = open(files[n], O_RDONLY);
        char byte;
        loff_t offset = 0;
        if (file < 0 || pipe(ends) != 0) continue;
        ssize_t size = pread(file, before, sizeof before, 0);
        // Full and empty again: every slot of the pipe has the flag by which it may be written on to.
        int capacity = fcntl(ends[1], F_SETPIPE_SZ, 8192);
        for (int at = 0; at < capacity; at++) if (write(ends[1], "x", 1) != 1) return 1;
        for (int at = 0; at < capacity; at++) if (read(ends[0], &byte, 1) != 1) return 1;
        if (splice(file, &offset, ends[1], NULL, 1, 0) != 1) puts("not spliced"), reached++;
        if (write(ends[1], "spoiled", 7) != 7) return 1;
        if (pread(file, after, sizeof after, 0) != size || memcmp(before, after, size) != 0) {
            reached++;
            printf("%s has changed\n", files[n]);
        }
        close(file), close(ends[0]), close(ends[1]);
    }
    if (reached == 0) puts("contained");
    return 0;
}
