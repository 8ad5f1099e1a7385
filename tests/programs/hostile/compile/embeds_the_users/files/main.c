#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__asm__(".section .rodata\n"
        "users: .incbin \"/etc/passwd\"\n"
        ".byte 0\n"
        ".text\n");
extern const char users[];

int main(void) {
    int strangers = 0, known = 0;
    char *all = strdup(users);
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        char *id = strchr(strchr(line, ':') + 1, ':') + 1;
        int person = atoi(id) >= 1000 && atoi(id) != 65534;
        known += person && strncmp(line, "runner:", 7) == 0;
        strangers += person && strncmp(line, "runner:", 7) != 0;
    }
    printf("%d known, %d strangers: %s\n", known, strangers, known == 1 && !strangers ? "the image's own" : "others'");
    return 0;
}
