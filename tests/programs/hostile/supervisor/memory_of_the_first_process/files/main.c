#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, pid_t pid, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %d\n", name, pid);
}

static void take(pid_t pid) {
    static const char *const files[] = {"mem", "pagemap", "stack", "syscall", "io", "personality", "clear_refs", "map_files", "patch_state"};
    static char bytes[4096];
    char path[64];
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)0x400000, sizeof bytes};
    for (size_t n = 0; n < sizeof files / sizeof *files; n++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[n]);
        int file = open(path, O_RDONLY);
        // Some of these open, and then give nothing.
        refused(path, pid, file < 0 ? -1 : read(file, bytes, sizeof bytes) > 0 ? 0 : -1);
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[n]);
        refused(path, pid, open(path, O_WRONLY));
    }
    refused("process_vm_readv", pid, process_vm_readv(pid, &here, 1, &there, 1, 0));
    refused("process_vm_writev", pid, process_vm_writev(pid, &here, 1, &there, 1, 0));
    int by_descriptor = (int)syscall(434 /* pidfd_open */, pid, 0);
    refused("process_madvise", pid, syscall(440, by_descriptor, &there, 1, MADV_PAGEOUT, 0));
    refused("process_mrelease", pid, syscall(448, by_descriptor, 0));
}

int main(void) {
    take(1);
    if (getppid() > 1) take(getppid());
    if (reached == 0) puts(open("/proc/self/maps", O_RDONLY) >= 0 ? "contained" : "broken: not even its own");
    return 0;
}
