#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, const char *path, int result) {
    if (result < 0) return;
    reached++;
    printf("%s %s\n", name, path);
}

int main(void) {
    static const char *const paths[] = {"/", "/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/bin/sh", "/proc/version", "/dev/null"};
    static const char *const own[] = {"/job", "/tmp", "/dev/shm"};
    for (int n = 0; n < 7; n++) {
        struct fstrim_range range = {0, 4096, 0};
        struct fsxattr attributes = {.fsx_projid = 7};
        int file = open(paths[n], O_RDONLY), flags = FS_NOATIME_FL, fast = 1;
        refused("trim", paths[n], ioctl(file, FITRIM, &range));
        refused("flags", paths[n], ioctl(file, FS_IOC_SETFLAGS, &flags));
        refused("project", paths[n], ioctl(file, FS_IOC_FSSETXATTR, &attributes));
        refused("block size", paths[n], ioctl(file, BLKBSZSET, &fast));
        refused("block cache", paths[n], ioctl(file, BLKFLSBUF, 0));
        close(file);
    }
    for (int n = 0; n < 3; n++) {
        int folder = open(own[n], O_RDONLY | O_DIRECTORY), fixed = FS_IMMUTABLE_FL, appended = FS_APPEND_FL;
        int file = openat(folder, "fixed", O_CREAT | O_RDWR, 0600);
        refused("freeze", own[n], ioctl(folder, FIFREEZE, 0));
        refused("immutable", own[n], ioctl(file, FS_IOC_SETFLAGS, &fixed));
        refused("append only", own[n], ioctl(file, FS_IOC_SETFLAGS, &appended));
    }
    if (reached == 0) puts("contained");
    return 0;
}
