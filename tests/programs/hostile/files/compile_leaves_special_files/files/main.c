#include <stdio.h>
#include <sys/stat.h>

int main(void) {
    struct stat file;
    puts(stat("left/plain", &file) == 0 && S_ISREG(file.st_mode) ? "contained" : "broken: the plain file is lost");
    return 0;
}
