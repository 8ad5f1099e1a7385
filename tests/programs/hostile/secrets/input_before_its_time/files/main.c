#include <stdio.h>
#include <string.h>

int main(void) {
    char line[4096], given[64] = "";
    int reached = 0, looked = 0;
    FILE *file = fopen("found", "r");
    while (file && fgets(line, sizeof line, file)) {
        looked++;
        if (strstr(line, "input of the run")) reached++;
    }
    if (!fgets(given, sizeof given, stdin) || strcmp(given, "input of the run\n") != 0) reached++, puts("it was not given to the run");
    if (reached == 0) puts(looked > 0 ? "contained" : "broken: it did not look");
    else printf("found %d times\n", reached);
    return 0;
}
