#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ENTRIES = 8100, FILES = 1000 };

// As in <linux/posix_acl_xattr.h>.
static struct {
    uint32_t version;
    struct { uint16_t tag, access; uint32_t id; } entries[ENTRIES + 4];
} list = {.version = 2};

static void add(int n, uint16_t tag, uint32_t id) {
    list.entries[n].tag = tag;
    list.entries[n].access = 6;
    list.entries[n].id = id;
}

int main(void) {
    add(0, 0x01, UINT32_MAX);
    for (int n = 1; n <= ENTRIES; n++) add(n, 0x02, getuid());
    add(ENTRIES + 1, 0x04, UINT32_MAX);
    add(ENTRIES + 2, 0x10, UINT32_MAX);
    add(ENTRIES + 3, 0x20, UINT32_MAX);
    long held = 0;
    for (int n = 0; n < FILES; n++) {
        char name[32];
        snprintf(name, sizeof name, "listed-%d", n);
        int file = open(name, O_RDWR | O_CREAT, 0600);
        if (fsetxattr(file, "system.posix_acl_access", &list, sizeof list, 0) == 0) held += (long)sizeof list;
        close(file);
    }
    printf("%ld MiB, %s the limit\n", held >> 20, held > 32 << 20 ? "beyond" : "within");
    return 1;
}
