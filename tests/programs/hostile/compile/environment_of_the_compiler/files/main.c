#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Beside the compiler's own (COLLECT_*, COMPILER_PATH ...), and the shell's.
static const char *const ours[] = {"PATH", "HOME", "TMPDIR", "LANG", "USER", "PWD", "OLDPWD", "SHLVL", "_"};
static const char *const gcc[] = {"COLLECT_", "COMPILER_PATH", "LIBRARY_PATH", "OFFLOAD_TARGET_"};

static int expected(const char *name) {
    for (size_t n = 0; n < sizeof ours / sizeof *ours; n++) {
        if (strcmp(name, ours[n]) == 0) return 1;
    }
    for (size_t n = 0; n < sizeof gcc / sizeof *gcc; n++) {
        if (strncmp(name, gcc[n], strlen(gcc[n])) == 0) return 1;
    }
    return 0;
}

int main(void) {
    char line[256];
    int strange = 0, seen = 0;
    FILE *names = fopen("names", "r");
    if (!names) return 1;
    for (; fgets(line, sizeof line, names); seen++) {
        line[strcspn(line, "\n")] = '\0';
        if (!expected(line)) strange += printf("%s is strange\n", line) > 0;
    }
    if (seen && !strange) puts("nothing strange");
    return 0;
}
