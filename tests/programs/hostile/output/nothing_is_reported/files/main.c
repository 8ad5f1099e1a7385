#include <stdio.h>

int main(void) {
    for (int n = 0; n < 90000; n++) putchar('x');
    return 0;
}
