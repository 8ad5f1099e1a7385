#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    int ways = 0;
    char junk[4096];
    memset(junk, 0xcc, sizeof junk);
    prctl(PR_SET_DUMPABLE, 1);
    for (int pid = 1; pid < 64; pid++) {
        char path[64];
        if (pid == getpid()) continue;
        ways += ptrace(PTRACE_SEIZE, pid, 0, 0) == 0;
        snprintf(path, sizeof path, "/proc/%d/mem", pid);
        int memory = open(path, O_RDWR);
        if (memory >= 0) {
            for (off_t at = 0x400000; at < 0x500000; at += sizeof junk) ways += pwrite(memory, junk, sizeof junk, at) > 0;
        }
        struct iovec here = {junk, sizeof junk}, there = {(void *)0x400000, sizeof junk};
        ways += process_vm_writev(pid, &here, 1, &there, 1, 0) > 0;
    }
    printf("%d ways\n", ways);
    return 0;
}
