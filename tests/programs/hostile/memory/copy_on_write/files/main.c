#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 32 << 20 };

static void write_all(volatile char *all, char value) {
    for (int at = 0; at < SIZE; at += 4096) all[at] = value;
}

int main(void) {
    volatile char *all = malloc(SIZE);
    if (!all) return 1;
    write_all(all, 1);
    if (fork() == 0) {
        write(1, "inherited\n", 10);
        write_all(all, 2);
        usleep(300000);  // both are there for as long as it takes to look
        _exit(0);
    }
    wait(NULL);
    return all[4096] - 1;
}
