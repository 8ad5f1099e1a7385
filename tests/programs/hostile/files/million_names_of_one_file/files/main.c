#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_link(const char *path) { return link("/tmp/one", path); }
static int by_symlink(const char *path) { return symlink("/tmp/one", path); }
static int by_directory(const char *path) { return mkdir(path, 0700); }
static int by_fifo(const char *path) { return mkfifo(path, 0600); }

int main(void) {
    static int (*const ways[])(const char *) = {by_link, by_symlink, by_directory, by_fifo};
    int made = 0;
    close(open("/tmp/one", O_CREAT | O_WRONLY, 0600));
    for (int way = 0; way < 4; way++) {
        for (int number = 0; made < 1000000; number++, made++) {
            char path[64];
            snprintf(path, sizeof path, "/tmp/%d-%d", way, number);
            if (ways[way](path) != 0) break;
        }
    }
    puts(made < 1000000 ? "bounded" : "a million");
    return 0;
}
