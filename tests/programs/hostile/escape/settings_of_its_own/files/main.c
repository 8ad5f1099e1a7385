#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif
#define SCHED_CORE 62 // PR_SCHED_CORE

static int reached;

static void refused(const char *name, long which, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %ld\n", name, which);
}

int main(void) {
    int other = open("/bin/sh", O_RDONLY);
    refused("another program", 0, prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, other, 0, 0));
    for (int field = PR_SET_MM_START_CODE; field <= PR_SET_MM_ENV_END; field++) refused("a field of its memory", field, prctl(PR_SET_MM, field, 4096, 0, 0));
    refused("a part in writing to disk", 0, prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
    // The same core as the first process: what one computes, the other could time.
    refused("a core with", 1, prctl(SCHED_CORE, 2, 1, 0, 0));
    refused("a core from", 1, prctl(SCHED_CORE, 3, 1, 0, 0));
    for (int capability = 0; capability < 41; capability++) {
        // Of a set that is empty already, none can be dropped either without the right to.
        if (prctl(PR_CAPBSET_READ, capability) == 1) refused("a capability taken away", capability, prctl(PR_CAPBSET_DROP, capability));
    }
    refused("no_new_privs", 0, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    refused("a new privilege", 0, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0);
    if (reached == 0) puts(prctl(PR_SET_NAME, "own") == 0 ? "contained" : "broken: not even its name");
    return 0;
}
