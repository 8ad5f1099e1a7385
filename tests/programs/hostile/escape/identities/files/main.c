#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long which, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %ld\n", name, which);
}

int main(void) {
    static const int ids[] = {0, 1, 33, 65534, 1001, 100000, 231072};
    gid_t groups[] = {0, 1, 27, 998};
    for (int n = 0; n < 7; n++) {
        if (ids[n] == (int)getuid()) continue;
        refused("setuid", ids[n], setuid(ids[n]));
        refused("setreuid", ids[n], setreuid(ids[n], ids[n]));
        refused("setresuid", ids[n], setresuid(-1, ids[n], -1));
        refused("setgid", ids[n], setgid(ids[n]));
        refused("setregid", ids[n], setregid(ids[n], ids[n]));
        refused("setresgid", ids[n], setresgid(-1, -1, ids[n]));
        setfsuid(ids[n]), setfsgid(ids[n]);
        refused("setfsuid", ids[n], setfsuid(-1) == ids[n] ? 0 : -1);
        refused("setfsgid", ids[n], setfsgid(-1) == ids[n] ? 0 : -1);
    }
    refused("setgroups", 4, setgroups(4, groups));
    refused("setgroups", 0, setgroups(0, NULL));
    for (int capability = 0; capability < 41; capability++) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
        data[capability / 32].effective = data[capability / 32].permitted = data[capability / 32].inheritable = 1u << capability % 32;
        syscall(SYS_capset, &header, data);
        // A kernel that knows fewer of them ignores the others: what counts is what it has now.
        syscall(SYS_capget, &header, data);
        unsigned held = data[0].effective | data[0].permitted | data[0].inheritable | data[1].effective | data[1].permitted;
        refused("capset", capability, held == 0 ? -1 : 0);
        refused("ambient", capability, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0));
    }
    refused("securebits", 0, prctl(PR_SET_SECUREBITS, 0x3f));
    refused("no_new_privs", 0, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    refused("capabilities kept", 0, prctl(PR_SET_KEEPCAPS, 1) == 0 && setuid(0) == 0 ? 0 : -1);
    if (reached == 0) puts("contained");
    return 0;
}
