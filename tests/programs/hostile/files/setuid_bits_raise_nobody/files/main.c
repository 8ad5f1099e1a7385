#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

static int copy(const char *to) {
    int source = open("/proc/self/exe", O_RDONLY), target = open(to, O_CREAT | O_TRUNC | O_WRONLY, 0700);
    while (sendfile(target, source, NULL, 1 << 20) > 0) {}
    close(source);
    return close(target);
}

// The copies run to here: is the process more than it was?
static int compare(int uid, int gid) {
    uid_t real, effective, saved;
    gid_t group, effective_group, saved_group;
    getresuid(&real, &effective, &saved);
    getresgid(&group, &effective_group, &saved_group);
    int same = (int)real == uid && (int)effective == uid && (int)saved == uid;
    return same && (int)effective_group == gid && (int)saved_group == gid ? 0 : 1;
}

int main(int count, char **args) {
    static const char *const places[] = {"/job/raised", "/tmp/raised", "/dev/shm/raised"};
    int uid, gid, raised = 0;
    if (count == 3) return sscanf(args[1], "%d", &uid) + sscanf(args[2], "%d", &gid) == 2 ? compare(uid, gid) : 2;
    for (int place = 0; place < 3; place++) {
        char own_uid[16], own_gid[16];
        int status;
        snprintf(own_uid, sizeof own_uid, "%d", (int)getuid());
        snprintf(own_gid, sizeof own_gid, "%d", (int)getgid());
        copy(places[place]);
        if (chown(places[place], 0, 0) == 0 && getuid() != 0) puts("given to root"), raised++;
        chmod(places[place], 06755);
        if (fork() == 0) {
            execl(places[place], places[place], own_uid, own_gid, NULL);
            _exit(0);
        }
        wait(&status);
        raised += status != 0;
    }
    if (raised == 0) puts("contained");
    return 0;
}
