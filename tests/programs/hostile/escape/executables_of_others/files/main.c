#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int reached;

static void refused(const char *path, int flags) {
    int file = open(path, flags);
    if (file < 0) return;
    reached++;
    printf("%s\n", path);
    close(file);
}

static void of_process(const char *pid) {
    char path[64], again[64];
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    refused(path, O_RDONLY);
    refused(path, O_WRONLY);
    int place = open(path, O_PATH);
    if (place < 0) return;
    snprintf(again, sizeof again, "/proc/self/fd/%d", place);
    for (int times = 0; times < 100; times++) refused(again, O_WRONLY);
    refused(again, O_RDONLY);
}

int main(void) {
    static const char *const paths[] = {"/enclos/supervisor", "/.enclos", "/proc/1/exe", "/sbin/init", "/usr/bin/runc", "/usr/sbin/runc",
                                        "/usr/bin/docker-init", "/dev/init"};
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(processes));) {
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid()) of_process(entry->d_name);
    }
    for (int n = 0; n < 8; n++) refused(paths[n], O_RDWR);
    if (reached == 0) puts("contained");
    return 0;
}
