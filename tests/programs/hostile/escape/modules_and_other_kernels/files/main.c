#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/mman.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long result) {
    if (result < 0) return;
    reached++;
    puts(name);
}

int main(void) {
    char image[4096] = "\x7f" "ELF";
    int own = memfd_create("module", 0);
    if (write(own, image, sizeof image) < 0) return 1;
    refused("init_module", syscall(SYS_init_module, image, sizeof image, ""));
    refused("finit_module", syscall(SYS_finit_module, own, "", 3));
    refused("delete_module", syscall(SYS_delete_module, "enclos_no_such_module", O_NONBLOCK));
    refused("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
#ifdef SYS_kexec_file_load
    refused("kexec_file_load", syscall(SYS_kexec_file_load, own, -1, 0, "", 4));
#endif
    // Of all that reboot can do, these alone harm nobody where they work.
    refused("what the keyboard does", reboot(RB_ENABLE_CAD));
    refused("what the keyboard does not", reboot(RB_DISABLE_CAD));
    refused("modprobe by a socket's family", open("/proc/sys/kernel/modprobe", O_WRONLY));
    if (reached == 0) puts("contained");
    return 0;
}
