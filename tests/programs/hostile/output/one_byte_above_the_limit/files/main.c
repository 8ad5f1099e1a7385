#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int n = argc > 1 ? atoi(argv[1]) : 0; n > 0; n--) putchar('x');
    return 0;
}
