/* Writes the right sum, and says by its exit code that it failed. */
#include <stdio.h>

int main(void) {
    int count = 0;
    long long sum = 0, value = 0;
    if (scanf("%d", &count) != 1) return 1;
    while (count-- > 0 && scanf("%lld", &value) == 1) sum += value;
    printf("Sum: %lld\n", sum);
    return 1;
}
