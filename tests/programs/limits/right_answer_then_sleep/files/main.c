#include <stdio.h>
#include <unistd.h>

int main(void) {
    puts("42");
    fflush(stdout);
    close(0), close(1), close(2);
    for (;;) pause();
}
