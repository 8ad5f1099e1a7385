#include <sched.h>
#include <unistd.h>

int main(void) {
    for (int n = 0; n < 30; n++) {
        if (fork() == 0) break;
    }
    for (;;) sched_yield();
}
