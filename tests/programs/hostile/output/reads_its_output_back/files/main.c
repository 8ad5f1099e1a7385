#include <fcntl.h>
#include <unistd.h>

int main(void) {
    char taken[64];
    int worked = 0;
    write(1, "written\n", 8);
    const char *const names[] = {"/dev/stdout", "/proc/self/fd/1", "/proc/thread-self/fd/1", "/dev/fd/1"};
    for (int n = 0; n < 4; n++) {
        int again = open(names[n], O_RDONLY | O_NONBLOCK);
        worked += again >= 0;
        worked += open(names[n], O_RDWR | O_NONBLOCK) >= 0;
        if (again >= 0) read(again, taken, sizeof taken);
    }
    if (read(1, taken, sizeof taken) > 0) worked++;
    write(1, worked ? "works\n" : "refused\n", worked ? 6 : 8);
    return 0;
}
