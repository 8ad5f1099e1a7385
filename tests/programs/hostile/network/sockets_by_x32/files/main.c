#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

// The bit is x86's; on other machines the numbers are those of no call.
#define X32 0x40000000L

int main(void) {
    static const int families[] = {1, 2, 10, 16, 17, 38, 40};
    int reached = 0;
    for (int n = 0; n < 7; n++) {
        if (syscall(X32 | SYS_socket, families[n], 1, 0) < 0 && syscall(X32 | SYS_socket, families[n], 3, 0) < 0) continue;
        reached++;
        printf("a socket of family %d\n", families[n]);
    }
    for (long number = 0; number < 600; number++) {
        // Those that end the program, or wait, would say as much.
        if (number == SYS_exit || number == SYS_exit_group || number == SYS_pause || number == SYS_rt_sigreturn) continue;
        if (syscall(X32 | number, -1, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS) continue;
        reached++;
        printf("call %ld\n", number);
    }
    if (reached == 0) puts("contained");
    return 0;
}
