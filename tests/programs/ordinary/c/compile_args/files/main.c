#include <stdio.h>

#ifndef ANSWER
#error "ANSWER is not given"
#endif

int main(void) {
    printf("%d %s\n", ANSWER, NAME);
    return 0;
}
