// Prints what works that must not, each with its name; nothing else.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int worked;

static void refused(const char *name, long result) {
    if (result < 0) return;
    worked++;
    printf("%s works: %ld\n", name, result);
}

static long call(long number, long a, long b, long c, long d, long e) { return syscall(number, a, b, c, d, e); }

#define TRY(name, ...) refused(#name, call(SYS_##name, __VA_ARGS__))
#define P(x) ((long)(uintptr_t)(x))

// Runs `what` in a child: a call that works must not change what the next ones meet.
static long in_child(long (*what)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(what() < 0 ? 1 : 0);
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static long unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long unshare_mount(void) { return unshare(CLONE_NEWNS); }
static long unshare_net(void) { return unshare(CLONE_NEWNET); }
static long unshare_pid(void) { return unshare(CLONE_NEWPID); }
static long unshare_ipc(void) { return unshare(CLONE_NEWIPC); }
static long unshare_cgroup(void) { return unshare(CLONE_NEWCGROUP); }

static long clone_user(void) {
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return child;
}

static long clone3_user(void) {
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) _exit(0);
    return child;
}

// getpid by the 32-bit door: past filters that know 64-bit numbers only.
static long door_32(void) {
    long result = -1;
#ifdef __x86_64__
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
#endif
    return (int)result;
}

static long door_x32(void) { return syscall(0x40000000L | SYS_getpid); }

static void files_and_namespaces(void) {
    static const char *const kinds[] = {"user", "mnt", "net", "pid", "ipc", "uts", "cgroup"};
    for (int n = 0; n < 7; n++) {
        char path[64], label[96];
        for (int other = 0; other < 2; other++) {
            snprintf(path, sizeof path, "/proc/%s/ns/%s", other ? "1" : "self", kinds[n]);
            snprintf(label, sizeof label, "setns %s", path);
            int fd = open(path, O_RDONLY);
            refused(label, fd < 0 ? -1 : call(SYS_setns, fd, 0, 0, 0, 0));
            if (fd >= 0) close(fd);
        }
    }
}

static void sockets(void) {
    static const struct { const char *name; int family, kind, protocol; } all[] = {
        {"AF_NETLINK", AF_NETLINK, SOCK_RAW, 0},       {"AF_NETLINK audit", AF_NETLINK, SOCK_RAW, 9},
        {"AF_PACKET", AF_PACKET, SOCK_RAW, 768},       {"AF_PACKET dgram", AF_PACKET, SOCK_DGRAM, 768},
        {"AF_VSOCK", 40, SOCK_STREAM, 0},              {"AF_ALG", 38, SOCK_SEQPACKET, 0},
        {"AF_KEY", 15, SOCK_RAW, 2},                   {"AF_BLUETOOTH", 31, SOCK_RAW, 1},
        {"AF_TIPC", 30, SOCK_SEQPACKET, 0},            {"AF_XDP", 44, SOCK_RAW, 0},
        {"AF_CAN", 29, SOCK_RAW, 1},                   {"AF_RDS", 21, SOCK_SEQPACKET, 0},
        {"AF_SMC", 43, SOCK_STREAM, 0},                {"raw AF_INET", AF_INET, SOCK_RAW, 1},
        {"raw AF_INET6", AF_INET6, SOCK_RAW, 58},
    };
    int pair[2];
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
        refused(all[n].name, socket(all[n].family, all[n].kind, all[n].protocol));
    }
    refused("socketpair AF_NETLINK", socketpair(AF_NETLINK, SOCK_RAW, 0, pair));
}

static void kernel(void) {
    char buffer[256] = {0};
    struct iovec here = {buffer, sizeof buffer}, there = {(void *)0x400000, 16};
    TRY(bpf, 0, P(buffer), sizeof buffer, 0, 0);
    TRY(perf_event_open, P(buffer), 0, -1, -1, 0);
    TRY(userfaultfd, 0, 0, 0, 0, 0);
    TRY(io_uring_setup, 4, P(buffer), 0, 0, 0);
    TRY(keyctl, 0, -3, 1, 0, 0);
    TRY(add_key, P("user"), P("k"), P("v"), 1, -3);
    TRY(request_key, P("user"), P("k"), 0, -3, 0);
    TRY(kexec_load, 0, 0, 0, 0, 0);
    TRY(init_module, P(buffer), 16, P(""), 0, 0);
    TRY(finit_module, 0, P(""), 0, 0, 0);
    TRY(delete_module, P("none"), 0, 0, 0, 0);
    TRY(reboot, 0xfee1dead, 672274793, 0, 0, 0);
    TRY(swapon, P("/job/main.c"), 0, 0, 0, 0);
    TRY(acct, P("/job/main.c"), 0, 0, 0, 0);
    TRY(syslog, 3, P(buffer), sizeof buffer, 0, 0);
    TRY(settimeofday, P(buffer), 0, 0, 0, 0);
    TRY(clock_settime, 0, P(buffer), 0, 0, 0);
    TRY(sethostname, P("x"), 1, 0, 0, 0);
    TRY(setdomainname, P("x"), 1, 0, 0, 0);
    TRY(quotactl, 0, 0, 0, 0, 0);
    TRY(personality, 0x0040000, 0, 0, 0, 0);
    TRY(open_by_handle_at, AT_FDCWD, P(buffer), 0, 0, 0);
    TRY(process_vm_readv, 1, P(&here), 1, P(&there), 1);
    TRY(process_vm_writev, 1, P(&here), 1, P(&there), 1);
    TRY(kcmp, getpid(), 1, 2, 0, 0);
    TRY(fanotify_init, 0, 0, 0, 0, 0);
    TRY(lookup_dcookie, 0, P(buffer), sizeof buffer, 0, 0);
#ifdef __x86_64__
    TRY(iopl, 3, 0, 0, 0, 0);
    TRY(ioperm, 0, 1, 1, 0, 0);
#endif
}

// What there is once for the whole host, and no limit of a cell counts.
static void allowances(void) {
    unsigned long context = 0;
    TRY(io_setup, 1, P(&context), 0, 0, 0);
    refused("huge pages", mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == MAP_FAILED ? -1 : 0);
    refused("a file of huge pages", memfd_create("huge", MFD_HUGETLB));
    refused("shared huge pages", shmget(IPC_PRIVATE, 2 << 20, IPC_CREAT | SHM_HUGETLB | 0600));
    refused("a pseudo terminal", posix_openpt(O_RDWR | O_NOCTTY));
}

// Refused before anybody is traced: two that hold each other so could be ended by nobody.
static long stop_at_exit(void) {
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    long result = ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT);
    kill(child, SIGKILL);
    return result;
}

static void mounts(void) {
    TRY(mount, P("none"), P("/tmp"), P("tmpfs"), 0, 0);
    refused("mount again", mount("none", "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    refused("mount proc", mount("proc", "/tmp", "proc", 0, NULL));
    TRY(umount2, P("/tmp"), MNT_DETACH, 0, 0, 0);
    TRY(pivot_root, P("/"), P("/tmp"), 0, 0, 0);
    TRY(chroot, P("/tmp"), 0, 0, 0, 0);
    TRY(fsopen, P("tmpfs"), 0, 0, 0, 0);
    TRY(open_tree, AT_FDCWD, P("/"), 1, 0, 0);
    TRY(move_mount, AT_FDCWD, P("/tmp"), AT_FDCWD, P("/job"), 0);
    TRY(mount_setattr, AT_FDCWD, P("/"), 0, 0, 0);
    refused("mknod device", mknod("/tmp/null", S_IFCHR | 0666, 0x103));
}

static void identities(void) {
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    uint32_t all[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
    struct rlimit limit;
    TRY(setuid, 0, 0, 0, 0, 0);
    TRY(setgid, 0, 0, 0, 0, 0);
    TRY(setresuid, 0, 0, 0, 0, 0);
    TRY(setreuid, 0, 0, 0, 0, 0);
    TRY(setuid, 1, 0, 0, 0, 0);
    TRY(setgroups, 0, 0, 0, 0, 0);
    TRY(capset, P(&header), P(all), 0, 0, 0);
    refused("no_new_privs taken back", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    refused("a nicer priority", setpriority(PRIO_PROCESS, 0, -20));
    refused("signalling the supervisor's parent", kill(0x7ffffff0, 0));
    // Setting it answers as if it was done. Only at 1 no handler of the host is started.
    limit.rlim_cur = limit.rlim_max = 0;
    setrlimit(RLIMIT_CORE, &limit);
    getrlimit(RLIMIT_CORE, &limit);
    refused("core files", limit.rlim_cur == 1 && limit.rlim_max == 1 ? -1 : 0);
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    refused("a larger file limit", setrlimit(RLIMIT_FSIZE, &limit));
    refused("more descriptors", setrlimit(RLIMIT_NOFILE, &limit));
    refused("chown to root", chown("/job/main.c", 0, 0));
}

static void first_process(void) {
    static const char *const paths[] = {"/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/root/", "/proc/1/cwd/",
                                        "/proc/1/fd/0", "/proc/1/exe", "/proc/1/stack", "/proc/1/auxv"};
    for (size_t n = 0; n < sizeof paths / sizeof *paths; n++) refused(paths[n], open(paths[n], O_RDONLY));
    refused("ptrace attach 1", ptrace(PTRACE_ATTACH, 1, 0, 0));
    refused("ptrace seize 1", ptrace(PTRACE_SEIZE, 1, 0, 0));
    refused("ptrace attach parent", getppid() == 0 ? -1 : ptrace(PTRACE_ATTACH, getppid(), 0, 0));
}

int main(void) {
    for (int fd = 3; fd < 1024; fd++) {
        char label[32];
        snprintf(label, sizeof label, "descriptor %d", fd);
        refused(label, fcntl(fd, F_GETFD));
    }
    refused("unshare user", in_child(unshare_user));
    refused("unshare mount", in_child(unshare_mount));
    refused("unshare net", in_child(unshare_net));
    refused("unshare pid", in_child(unshare_pid));
    refused("unshare ipc", in_child(unshare_ipc));
    refused("unshare cgroup", in_child(unshare_cgroup));
    refused("clone user", in_child(clone_user));
    refused("clone3 user", in_child(clone3_user));
    refused("int 0x80", in_child(door_32));
    refused("x32", in_child(door_x32));
    files_and_namespaces();
    sockets();
    kernel();
    allowances();
    refused("stopping a process on its way out", in_child(stop_at_exit));
    mounts();
    identities();
    first_process();
    printf("%d work\n", worked);
    return 0;
}
