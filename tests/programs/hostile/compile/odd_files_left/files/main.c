#include <stdio.h>
#include <sys/stat.h>

static const struct { const char *name; mode_t kind; } left[] = {
    {"link", S_IFLNK}, {"root", S_IFLNK}, {"circle", S_IFLNK}, {"link2", S_IFLNK}, {"loop/loop", S_IFLNK}, {"fifo", S_IFIFO},
};

int main(void) {
    int followed = 0;
    // Each is gone, or is still what it was; a copy of what it led to would be a file or a directory.
    for (size_t n = 0; n < sizeof left / sizeof *left; n++) {
        struct stat about;
        if (lstat(left[n].name, &about) != 0 || (about.st_mode & S_IFMT) == left[n].kind) continue;
        followed += printf("%s was followed\n", left[n].name) > 0;
    }
    if (!followed) puts("nothing was followed");
    return 0;
}
