#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

int main(void) {
    int odd = 0;
    DIR *job = opendir(".");
    for (struct dirent *entry; (entry = readdir(job));) {
        struct stat about;
        if (lstat(entry->d_name, &about) != 0) return 1;
        if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) odd += printf("%s is odd\n", entry->d_name) > 0;
    }
    if (!odd) puts("only files");
    return 0;
}
