#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(void) {
    char text[64] = "";
    struct stat file;
    int copied = 0;
    for (int n = 0; n < 20; n++) {
        char path[32];
        snprintf(path, sizeof path, "swapped/%d", n);
        FILE *stream = lstat(path, &file) == 0 && S_ISREG(file.st_mode) ? fopen(path, "r") : NULL;
        if (!stream) continue;
        if (fgets(text, sizeof text, stream) && strcmp(text, "its own\n") != 0) copied++;
        fclose(stream);
    }
    if (copied == 0) puts("contained");
    else printf("broken: %d copies of what the links led to\n", copied);
    return 0;
}
