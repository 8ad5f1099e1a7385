#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    write(1, "one\n", 4);
    int again = open("/dev/stdout", O_WRONLY | O_TRUNC);
    write(again, "two\n", 4);
    int by_number = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CREAT, 0600);
    write(by_number, "three\n", 6);
    int error = open("/dev/stderr", O_WRONLY);
    write(error, "to the other\n", 13);
    close(1);
    write(again, "four\n", 5);
    return 0;
}
