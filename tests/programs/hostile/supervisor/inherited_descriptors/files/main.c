#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int reached;

static void wrong(int descriptor, const char *why) {
    reached++;
    printf("descriptor %d %s\n", descriptor, why);
}

int main(void) {
    int kind;
    socklen_t size = sizeof kind;
    struct stat file;
    for (int descriptor = 0; descriptor < 4096; descriptor++) {
        int flags = fcntl(descriptor, F_GETFL);
        if (flags < 0) {
            if (descriptor < 3) wrong(descriptor, "is missing");
            continue;
        }
        if (descriptor > 2) wrong(descriptor, "is there");
        if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0) wrong(descriptor, "is a socket");
        if (fstat(descriptor, &file) == 0 && (S_ISDIR(file.st_mode) || S_ISBLK(file.st_mode))) wrong(descriptor, "is a directory or a disk");
        if (descriptor == 0 && (flags & O_ACCMODE) != O_RDONLY) wrong(descriptor, "can be written");
        if (descriptor > 0 && (flags & O_ACCMODE) != O_WRONLY) wrong(descriptor, "can be read");
        if (flags & (O_NONBLOCK | O_ASYNC | O_PATH)) wrong(descriptor, "has a mode of someone else");
        if (fcntl(descriptor, F_GETOWN) != 0) wrong(descriptor, "is owned");
    }
    if (reached == 0) puts("contained");
    return 0;
}
