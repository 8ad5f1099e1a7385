#include <unistd.h>

int main(void) {
    char byte;
    if (read(0, &byte, 1) == 0) write(1, "the end of input\n", 17);
    while (read(0, &byte, 1) <= 0) {}
    return 0;
}
