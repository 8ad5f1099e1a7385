/* Right for small sums only. */
#include <stdio.h>

int main(void) {
    int count = 0, sum = 0, value = 0;
    if (scanf("%d", &count) != 1) return 1;
    while (count-- > 0 && scanf("%d", &value) == 1) sum = (int)((unsigned)sum + (unsigned)value);
    printf("Sum: %d\n", sum);
    return 0;
}
