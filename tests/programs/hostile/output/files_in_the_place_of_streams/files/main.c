#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    puts("before");
    fflush(stdout);
    close(1);
    if (open("file", O_WRONLY | O_CREAT, 0600) != 1) return 1;
    for (int n = 0; n < 1000; n++) puts("into the file");
    return 0;
}
