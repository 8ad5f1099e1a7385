/* @EXPECTED_SCORE@: 30
   Tries every beginning and every end: too slow for long lists. */
#include <stdio.h>

static int values[40000];

int main(void) {
    int count = 0, best = 1;
    if (scanf("%d", &count) != 1) return 1;
    for (int i = 0; i < count; ++i)
        if (scanf("%d", &values[i]) != 1) return 1;
    for (int begin = 0; begin < count; ++begin)
        for (int end = begin; end < count; ++end) {
            int rising = 1;
            for (int i = begin; i < end; ++i) rising &= values[i] < values[i + 1];
            if (rising && end - begin + 1 > best) best = end - begin + 1;
        }
    printf("%d\n", best);
    return 0;
}
