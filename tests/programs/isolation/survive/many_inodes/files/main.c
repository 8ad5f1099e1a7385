#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    int made = 0;
    for (; made < 1000000; made++) {
        char name[32];
        snprintf(name, sizeof name, "/tmp/%d", made);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (file < 0) break;
        close(file);
    }
    puts("as many as there may be");
    return 0;
}
