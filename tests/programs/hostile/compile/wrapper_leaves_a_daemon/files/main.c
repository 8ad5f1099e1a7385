#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int others = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(processes));) {
        int pid = atoi(entry->d_name);
        others += pid > 1 && pid != getpid();
    }
    struct stat before, after;
    int kept = stat("/job/trace", &before) == 0;
    usleep(100000);
    int grows = kept && stat("/job/trace", &after) == 0 && after.st_size != before.st_size;
    if (others || grows || access("/tmp/trace", F_OK) == 0) printf("%d others, grows: %d\n", others, grows);
    else puts("alone");
    return 0;
}
