#include <signal.h>
#include <unistd.h>

int main(void) {
    write(1, "stopping\n", 9);
    raise(SIGSTOP);
    write(1, "continued\n", 10);
    return 0;
}
