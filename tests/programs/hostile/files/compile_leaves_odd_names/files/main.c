#include <stdio.h>
#include <string.h>

int main(void) {
    static const char *const names[] = {"odd/\xff\xfe", "odd/line\nline", "odd/%s%n", "odd/-rf", "odd/\x1b[2J", "odd/ "};
    char text[16];
    int lost = 0;
    for (int n = 0; n < 6; n++) {
        FILE *file = fopen(names[n], "r");
        if (file && fgets(text, sizeof text, file) && strcmp(text, "kept\n") == 0) continue;
        lost++;
        printf("number %d is lost\n", n);
    }
    if (lost == 0) puts("contained");
    return 0;
}
