#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int depth = 0;
    puts("going deep");
    fflush(stdout);
    if (chdir("/tmp") != 0) return 1;
    for (; depth < 100000; depth++) {
        if (mkdir("d", 0700) != 0 || chdir("d") != 0) break;
    }
    close(open("at the bottom", O_CREAT | O_WRONLY, 0600));
    puts(depth > 5000 ? "deeper than any path" : "not so deep");
    return 0;
}
