#include <stdio.h>

static int apply(int (*f)(int), int x) { return f(x); }

int main(int count, char **arguments) {
    int (*volatile call)(int (*)(int), int) = apply;
    int add(int x) { return x + count; }
    (void)arguments;
    return printf("%d\n", call(add, 2)) < 0;
}
