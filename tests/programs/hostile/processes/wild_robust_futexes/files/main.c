#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *end_with_wild_list(void *which) {
    struct robust_list_head *head = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct robust_list *entry = (struct robust_list *)(head + 1);
    head->futex_offset = 64;
    switch ((intptr_t)which % 3) {
    case 0:  // a circle that never comes back to its head
        head->list.next = entry;
        entry->next = entry;
        break;
    case 1:
        head->list.next = (struct robust_list *)0x7fffdeadb000;
        head->list_op_pending = (struct robust_list *)~0x7UL;
        break;
    default:
        munmap(head, 4096);
    }
    syscall(SYS_set_robust_list, head, sizeof *head);
    return NULL;
}

int main(void) {
    int ended = 0;
    for (intptr_t n = 0; n < 60; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, end_with_wild_list, (void *)n) == 0) ended += pthread_join(thread, NULL) == 0;
    }
    printf("%d threads have ended\n", ended);
    return 0;
}
