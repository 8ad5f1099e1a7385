#include <linux/aio_abi.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long result) {
    if (result < 0) return;
    reached++;
    printf("%s: %ld\n", name, result);
}

int main(void) {
    unsigned parameters[32] = {0};
    struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = 0}, *requests[] = {&request};
    struct io_event event;
    aio_context_t context = 0;
    for (unsigned flags = 0; flags < 2048; flags = flags ? flags * 2 : 1) {
        parameters[2] = flags;
        refused("io_uring_setup", syscall(SYS_io_uring_setup, 4, parameters));
    }
    refused("io_uring_enter", syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0));
    refused("io_uring_register", syscall(SYS_io_uring_register, -1, 0, NULL, 0));
    // One allowance for the whole host: whoever takes it takes it from everyone.
    refused("io_setup", syscall(SYS_io_setup, 4096, &context));
    refused("io_submit", syscall(SYS_io_submit, context, 1, requests));
    refused("io_getevents", syscall(SYS_io_getevents, context, 0, 1, &event, NULL));
    refused("io_cancel", syscall(SYS_io_cancel, context, &request, &event));
    refused("io_destroy", syscall(SYS_io_destroy, context));
    if (reached == 0) puts("contained");
    return 0;
}
