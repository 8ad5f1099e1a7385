#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

// The program itself has the bits, as the compile step left it.
int main(void) {
    uid_t real, effective, saved;
    gid_t group, effective_group, saved_group;
    getresuid(&real, &effective, &saved);
    getresgid(&group, &effective_group, &saved_group);
    int same = real == effective && real == saved && group == effective_group && group == saved_group;
    puts(same && real != 0 && group != 0 ? "contained" : "broken: raised");
    return 0;
}
