#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long result) {
    if (result < 0) return;
    reached++;
    puts(name);
}

int main(void) {
    unsigned long nodes = 1;
    int node = 0, status;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(char *)page = 1;
    refused("mbind", syscall(SYS_mbind, page, 4096, 2, &nodes, 8 * sizeof nodes, 0));
    refused("set_mempolicy", syscall(SYS_set_mempolicy, 2, &nodes, 8 * sizeof nodes));
    for (int pid = 0; pid < 2; pid++) {
        refused("migrate_pages", syscall(SYS_migrate_pages, pid, 8 * sizeof nodes, &nodes, &nodes));
        refused("move_pages", syscall(SYS_move_pages, pid, 1L, &page, &node, &status, 2));
        refused("move_pages that tells where they are", syscall(SYS_move_pages, pid, 1L, &page, NULL, &status, 0));
    }
    if (reached == 0) puts("contained");
    return 0;
}
