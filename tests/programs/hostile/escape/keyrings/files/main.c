#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reached;

static void refused(const char *name, long number, long result) {
    if (result < 0) return;
    reached++;
    printf("%s %ld: %ld\n", name, number, result);
}

int main(void) {
    static const long rings[] = {-1, -2, -3, -4, -5, -6, -7, -8};
    char text[256];
    for (int n = 0; n < 8; n++) {
        refused("add_key", rings[n], syscall(SYS_add_key, "user", "secret", "text", 4, rings[n]));
        refused("add_key of a keyring", rings[n], syscall(SYS_add_key, "keyring", "ring", NULL, 0, rings[n]));
        refused("request_key", rings[n], syscall(SYS_request_key, "user", "secret", NULL, rings[n]));
        refused("id", rings[n], syscall(SYS_keyctl, 0, rings[n], 1));
        refused("description", rings[n], syscall(SYS_keyctl, 6, rings[n], text, sizeof text));
        refused("content", rings[n], syscall(SYS_keyctl, 11, rings[n], text, sizeof text));
        refused("search", rings[n], syscall(SYS_keyctl, 10, rings[n], "user", "secret", 0));
    }
    refused("a session of its own", 0, syscall(SYS_keyctl, 1, NULL));
    refused("the keyring of the user for ever", 0, syscall(SYS_keyctl, 22, getuid(), -2));
    for (long operation = 0; operation < 40; operation++) refused("keyctl", operation, syscall(SYS_keyctl, operation, 0, 0, 0, 0));
    FILE *keys = fopen("/proc/keys", "r");
    if (keys && fgets(text, sizeof text, keys)) reached++, printf("listed: %s", text);
    if (reached == 0) puts("contained");
    return 0;
}
