/* Looks for a secret of another job in all files and processes that this one sees, and for one of its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static char other[128], own[64];
static int found_other, found_own;
static char *content;
enum { LARGEST = 64 << 20 };

static void look(const void *bytes, size_t length, const char *where)
{
    if (memmem(bytes, length, other, strlen(other))) {
        found_other++;
        printf("other: %s\n", where);
    }
    if (memmem(bytes, length, own, strlen(own)))
        found_own++;
}

static int visit(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    if (!strncmp(path, "/proc/", 6) && strtol(path + 6, NULL, 10) == 0)
        return 0;
    look(path, strlen(path), path);
    const char *name = path + place->base;
    int is_memory = !strncmp(path, "/proc/", 6) && (!strcmp(name, "mem") || !strcmp(name, "pagemap"));
    if (kind != FTW_F || !S_ISREG(status->st_mode) || is_memory)
        return 0;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    size_t length = 0;
    for (ssize_t got; file >= 0 && length < LARGEST && (got = read(file, content + length, LARGEST - length)) > 0;)
        length += (size_t)got;
    look(content, length, path);
    if (file >= 0)
        close(file);
    return 0;
}

int main(void)
{
    char backwards[128] = "";
    ssize_t length = read(0, backwards, sizeof backwards - 1);
    for (ssize_t n = 0; n < length; n++)
        other[n] = backwards[length - 1 - n];
    content = malloc(LARGEST);
    unsigned char random[16];
    if (!content || length < 16 || getrandom(random, sizeof random, 0) != sizeof random)
        return 1;
    for (int n = 0; n < 16; n++)
        sprintf(own + 2 * n, "%02x", random[n]);
    FILE *file = fopen("/tmp/own", "w");
    if (!file || fputs(own, file) < 0 || fclose(file))
        return 1;
    nftw("/", visit, 64, FTW_PHYS);
    printf("own: %d\nother: %d\n", found_own, found_other);
    return 0;
}
