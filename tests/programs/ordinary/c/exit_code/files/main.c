#include <stdio.h>
#include <string.h>

int main(int count, char **args) {
    for (int n = 1; n < count; n++) printf("%d:%zu:%s\n", n, strlen(args[n]), args[n]);
    return 42;
}
