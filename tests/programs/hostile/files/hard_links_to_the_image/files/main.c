#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    static const char *const files[] = {"/bin/sh", "/etc/passwd", "/proc/1/exe", "/proc/self/maps"};
    static const char *const places[] = {"/job/link", "/tmp/link", "/dev/shm/link", "/etc/link", "/link"};
    int reached = 0;
    for (int file = 0; file < 4; file++) {
        int open_file = open(files[file], O_PATH);
        char by_descriptor[64];
        snprintf(by_descriptor, sizeof by_descriptor, "/proc/self/fd/%d", open_file);
        for (int place = 0; place < 5; place++) {
            int ways = 0;
            ways += link(files[file], places[place]) == 0;
            ways += linkat(AT_FDCWD, files[file], AT_FDCWD, places[place], AT_SYMLINK_FOLLOW) == 0;
            ways += linkat(open_file, "", AT_FDCWD, places[place], AT_EMPTY_PATH) == 0;
            ways += linkat(AT_FDCWD, by_descriptor, AT_FDCWD, places[place], AT_SYMLINK_FOLLOW) == 0;
            ways += rename(files[file], places[place]) == 0;
            if (ways == 0) continue;
            reached++;
            printf("%s has the name %s\n", files[file], places[place]);
        }
    }
    // Its own files it may link, or the claim above says nothing.
    int own = link("/proc/self/exe", "/job/own") == 0 || link("/job/main", "/job/own") == 0;
    if (reached == 0) puts(own ? "contained" : "broken: it cannot link its own files");
    return 0;
}
