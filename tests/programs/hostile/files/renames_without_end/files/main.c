#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 4; n++) {
        if (fork() == 0) break;
    }
    for (;;) {
        mkdir("/job/a", 0700), mkdir("/job/b", 0700), mkdir("/job/a/inner", 0700);
        renameat2(AT_FDCWD, "/job/a", AT_FDCWD, "/job/b", RENAME_EXCHANGE);
        rename("/job/a/inner", "/job/b/inner");
        rename("/job/a", "/job/b/inner/a");
        rename("/job/b", "/job/b/inner/below itself");
        DIR *listed = opendir("/job");
        while (listed && readdir(listed)) {}
        if (listed) closedir(listed);
        rmdir("/job/b/inner/a"), rmdir("/job/b/inner"), rmdir("/job/a");
    }
}
