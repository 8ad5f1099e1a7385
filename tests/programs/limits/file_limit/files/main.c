#include <stdio.h>

int main(void) {
    FILE *file = fopen("grows", "w");
    if (!file) return 3;
    for (int n = 0; n < 100000; n++) fputs("0123456789", file);
    return 0;
}
