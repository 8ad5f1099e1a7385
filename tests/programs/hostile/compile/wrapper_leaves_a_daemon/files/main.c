#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int others = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(processes));) {
        int pid = atoi(entry->d_name);
        // Those of another user are none that a job could have left.
        others += pid > 1 && pid != getpid() && kill(pid, 0) == 0;
    }
    struct stat before, after;
    int kept = stat("/job/trace", &before) == 0;
    usleep(100000);
    int grows = kept && stat("/job/trace", &after) == 0 && after.st_size != before.st_size;
    if (others || grows) printf("%d others, grows: %d\n", others, grows);
    else puts("alone");
    return 0;
}
