#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    char line[128];
    FILE *given = fopen("data/words.txt", "r");
    if (!given || mkdir("out", 0755)) return 1;
    FILE *written = fopen("out/draft.txt", "w");
    int number = 0;
    while (fgets(line, sizeof line, given)) fprintf(written, "%d %s", ++number, line);
    fclose(given);
    fclose(written);
    struct stat facts;
    if (rename("out/draft.txt", "out/final.txt") || stat("out/final.txt", &facts)) return 2;
    printf("%lld bytes\n", (long long)facts.st_size);
    FILE *again = fopen("out/final.txt", "r");
    while (fgets(line, sizeof line, again)) fputs(line, stdout);
    fclose(again);
    char place[256];
    printf("%s %d %d\n", getcwd(place, sizeof place), unlink("out/final.txt"), rmdir("out"));
    return 0;
}
