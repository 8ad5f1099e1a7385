#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long number, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %ld: %ld\n", name, number, result);
}

int main(void) {
    // A program that returns 0, and a map of one entry: what the kernel would take first.
    unsigned long long code[2] = {0xb7, 0x95}, attributes[18];
    char text[256];
    for (int kind = 0; kind < 33; kind++) {
        memset(attributes, 0, sizeof attributes);
        unsigned *words = (unsigned *)attributes;
        words[0] = (unsigned)kind, words[1] = 2;
        attributes[1] = (unsigned long long)code, attributes[2] = (unsigned long long)"GPL";
        refused("a program of kind", kind, syscall(SYS_bpf, 5, attributes, sizeof attributes));
        memset(attributes, 0, sizeof attributes);
        words[0] = (unsigned)kind, words[1] = 4, words[2] = 4, words[3] = 1;
        refused("a map of kind", kind, syscall(SYS_bpf, 0, attributes, sizeof attributes));
    }
    for (int command = 1; command < 40; command++) {
        memset(attributes, 0, sizeof attributes);
        refused("bpf", command, syscall(SYS_bpf, command, attributes, sizeof attributes));
    }
    for (int kind = 0; kind < 10; kind++) {
        memset(text, 0, sizeof text);
        ((unsigned *)text)[0] = (unsigned)kind, ((unsigned *)text)[1] = 112;
        refused("events of kind", kind, syscall(SYS_perf_event_open, text, 0, -1, -1, 0));
        refused("events of everyone, kind", kind, syscall(SYS_perf_event_open, text, -1, 0, -1, 0));
    }
    refused("userfaultfd", 0, syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
    refused("userfaultfd for its own", 1, syscall(SYS_userfaultfd, 1));
    refused("userfaultfd by device", 0, open("/dev/userfaultfd", O_RDWR));
    refused("fanotify", 0, syscall(SYS_fanotify_init, 0, O_RDONLY));
    refused("fanotify by identifier", 0x200, syscall(SYS_fanotify_init, 0x200, O_RDONLY));
    if (reached == 0) puts("contained");
    return 0;
}
