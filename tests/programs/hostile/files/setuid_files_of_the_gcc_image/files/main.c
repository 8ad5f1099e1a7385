#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int looked, found;

static int look(const char *path, const struct stat *file, int kind, struct FTW *place) {
    (void)place;
    if (kind == FTW_D && (file->st_mode & S_IFMT) == S_IFDIR && path[1] == 'p' && path[2] == 'r') return FTW_SKIP_SUBTREE;
    looked++;
    if (S_ISREG(file->st_mode) && (file->st_mode & (S_ISUID | S_ISGID))) {
        found++;
        printf("%s %o\n", path, file->st_mode);
    }
    return FTW_CONTINUE;
}

int main(void) {
    nftw("/", look, 16, FTW_PHYS | FTW_ACTIONRETVAL);
    if (found == 0) puts(looked > 1000 ? "contained" : "broken: there is no image");
    return 0;
}
