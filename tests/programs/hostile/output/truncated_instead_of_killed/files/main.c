#include <stdio.h>

int main(void) {
    for (int n = 0; n < 4000000; n++) putchar('x');
    return fclose(stdout) != 0;
}
