#include <stdio.h>
#include <string.h>

// The compiler and its driver add these to what they got.
static const char *const expected[] = {"PATH=", "HOME=", "TMPDIR=", "LANG=", "USER=", "PWD=", "OLDPWD=", "SHLVL=", "_=", "COLLECT_", "LIBRARY_PATH=",
                                       "COMPILER_PATH=", "GCC_", "OFFLOAD_TARGET_", "HOSTNAME=sandbox"};

int main(void) {
    char line[65536];
    int reached = 0, seen = 0;
    FILE *file = fopen("environment", "r");
    while (file && fgets(line, sizeof line, file)) {
        int known = 0;
        for (size_t n = 0; n < sizeof expected / sizeof *expected; n++) known += strncmp(line, expected[n], strlen(expected[n])) == 0;
        seen++;
        if (known == 0) reached++, printf("%.200s", line);
    }
    if (reached == 0) puts(seen > 3 ? "contained" : "broken: none was seen");
    return 0;
}
