#include <stdlib.h>
#include <string.h>

int main(void) {
    for (int n = 0; n < 1024; n++) {
        char *more = malloc(1 << 20);
        if (!more) return 1;
        memset(more, 1, 1 << 20);
    }
    return 0;
}
