#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int opens(void) {
    int ways = syscall(SYS_unshare, 0x10000000) == 0;
    ways += syscall(SYS_bpf, 0, NULL, 0) == 0 || errno != ENOSYS;
    ways += socket(16, SOCK_RAW, 0) >= 0;
    ways += syscall(SYS_keyctl, 0, -3, 1) >= 0;
    return ways;
}

int main(void) {
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {1, code};
    int before = opens(), installed = 0;
    for (int n = 0; n < 2; n++) {
        installed += prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
        installed += syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
        installed += syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0;
    }
    int taken_back = prctl(PR_SET_SECCOMP, 0, NULL) == 0 || prctl(PR_GET_SECCOMP) != 2;
    if (before + opens() == 0 && !taken_back) puts(installed > 0 ? "contained" : "broken: it cannot add any");
    else printf("broken: %d ways before, %d after, %s\n", before, opens(), taken_back ? "taken back" : "kept");
    return 0;
}
