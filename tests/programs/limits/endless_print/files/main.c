#include <stdio.h>

int main(void) {
    for (;;) puts("line after line");
}
