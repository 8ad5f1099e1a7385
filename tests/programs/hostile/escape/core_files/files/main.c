#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int cores_in(const char *place) {
    int found = 0;
    DIR *listed = opendir(place);
    for (struct dirent *entry; listed && (entry = readdir(listed));) found += strncmp(entry->d_name, "core", 4) == 0;
    if (listed) closedir(listed);
    return found;
}

int main(void) {
    static const int deaths[] = {SIGABRT, SIGSEGV, SIGQUIT, SIGILL, SIGFPE, SIGBUS, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
    static const rlim_t sizes[] = {RLIM_INFINITY, 1 << 30, 1 << 20, 4096, 2};
    struct rlimit limit;
    int reached = 0, status, dumped = 0;
    for (int n = 0; n < 5; n++) {
        limit.rlim_cur = limit.rlim_max = sizes[n];
        setrlimit(RLIMIT_CORE, &limit);
        // It may be told that it was set: sanitizers give up otherwise.
        getrlimit(RLIMIT_CORE, &limit);
        if (limit.rlim_max > 1) reached++, printf("a limit of %llu bytes\n", (unsigned long long)limit.rlim_max);
    }
    for (int n = 0; n < 10; n++) {
        if (fork() == 0) {
            prctl(PR_SET_DUMPABLE, 1);
            raise(deaths[n]);
            _exit(0);
        }
        wait(&status);
        dumped += WIFSIGNALED(status) && WCOREDUMP(status);
    }
    if (dumped != 0) reached++, printf("%d dumped\n", dumped);
    if (cores_in("/job") + cores_in("/tmp") + cores_in("/var/tmp") + cores_in("/") != 0) reached++, puts("a file");
    if (reached == 0) puts("contained");
    return 0;
}
