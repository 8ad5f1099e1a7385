// The door is x86's; on other machines there is none.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __x86_64__
static int call_32(int number, int first, uint32_t second) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static int is_socket(int descriptor) {
    int kind;
    socklen_t size = sizeof kind;
    return descriptor > 2 && getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0;
}

static void no_door(int signal) {
    (void)signal;
    static const char said[] = "contained\n";
    _exit(write(1, said, sizeof said - 1) < 0);
}

int main(void) {
    static const int families[] = {1, 2, 10, 15, 16, 17, 31, 38, 40, 44};
    // A kernel may have no 32-bit calls at all: it then ends the program by a signal.
    signal(SIGSEGV, no_door);
    int reached = 0;
    int *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (args == MAP_FAILED) return puts("no memory below four gigabytes"), 1;
    for (int n = 0; n < 10; n++) {
        for (int kind = 1; kind < 6; kind++) {
            args[0] = families[n], args[1] = kind, args[2] = 0;
            // A kernel may take the numbers for those of other calls: what counts is a socket.
            int by_socketcall = call_32(102, 1, (uint32_t)(uintptr_t)args), by_socket = call_32(359, families[n], (uint32_t)kind);
            if (!is_socket(by_socketcall) && !is_socket(by_socket)) continue;
            reached++;
            printf("family %d, kind %d\n", families[n], kind);
        }
    }
    if (call_32(20, 0, 0) == getpid()) puts("the door is open"), reached++;
    if (reached == 0) puts("contained");
    return 0;
}
#else
int main(void) { return puts("contained") < 0; }
#endif
