#include <sys/prctl.h>
#include <unistd.h>

int main(void) {
    const char *const names[] = {") Z 1 1 1 0", ") R 0 0\n0 0 0", "\n\n\n", "%s%n%x", "", "a b) S 1 1 ("};
    for (int n = 0; n < 6; n++) {
        if (fork() == 0) {
            prctl(PR_SET_NAME, names[n], 0, 0, 0);
            for (;;) {}
        }
    }
    for (;;) pause();
}
