#include <stdio.h>

int main(void) {
    FILE *found = fopen("found", "r");
    if (!found) return 1;
    puts(fgetc(found) == EOF ? "nothing was there" : "the input was there");
    return 0;
}
