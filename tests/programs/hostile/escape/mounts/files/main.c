#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long result) {
    if (result < 0) return;
    reached++;
    puts(name);
}

int main(void) {
    static const char *const kinds[] = {"tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "debugfs", "tracefs", "securityfs",
                                        "bpf", "configfs", "fusectl", "fuse", "overlay", "mqueue", "ramfs", "ext4", "binfmt_misc", "pstore",
                                        "efivarfs", "hugetlbfs", "nfsd", "rpc_pipefs", "selinuxfs", "autofs", "9p", "virtiofs", "binder"};
    static const char *const places[] = {"/tmp", "/job", "/proc", "/sys", "/dev", "/"};
    for (int kind = 0; kind < 29; kind++) {
        for (int place = 0; place < 6; place++) refused(kinds[kind], mount("none", places[place], kinds[kind], 0, ""));
    }
    for (int place = 0; place < 6; place++) {
        refused("bound", mount("/", places[place], NULL, MS_BIND | MS_REC, NULL));
        refused("made writable", mount("none", places[place], NULL, MS_REMOUNT, NULL));
        refused("made writable by its bind", mount("none", places[place], NULL, MS_REMOUNT | MS_BIND, NULL));
        refused("made shared", mount("none", places[place], NULL, MS_SHARED | MS_REC, NULL));
        refused("made a slave", mount("none", places[place], NULL, MS_SLAVE | MS_REC, NULL));
        refused("moved", mount(places[place], "/tmp", NULL, MS_MOVE, NULL));
        refused("unmounted", umount2(places[place], MNT_DETACH));
        refused("unmounted by force", umount2(places[place], MNT_FORCE));
    }
    refused("another root", syscall(SYS_pivot_root, "/", "/tmp"));
    refused("another root in place", syscall(SYS_pivot_root, ".", "."));
    refused("chroot", chroot("/tmp"));
    if (reached == 0) puts("contained");
    return 0;
}
