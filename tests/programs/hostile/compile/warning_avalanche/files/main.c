#include <stdio.h>
#include "many.h"

int main(void) {
    puts("compiled all the same");
    return 0;
}
