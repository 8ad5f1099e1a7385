#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
    static const char *const paths[] = {"/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/pts/0", "/dev/pts/1", "/dev/ttyS0",
                                        "/proc/1/fd/0", "/proc/1/fd/1", "/proc/1/fd/2", "/dev/stdin", "/dev/stderr"};
    int reached = 0, descriptors[16] = {0, 1, 2}, count = 3;
    for (int n = 0; n < 12; n++) {
        int file = open(paths[n], O_RDWR | O_NONBLOCK);
        if (file >= 0) descriptors[count++] = file;
    }
    for (int n = 0; n < count; n++) {
        struct termios settings;
        char typed = 'x', screen = 10 /* TIOCL_GETKMSGREDIRECT */;
        int ways = ioctl(descriptors[n], TIOCSTI, &typed) == 0;
        ways += ioctl(descriptors[n], TIOCLINUX, &screen) == 0;
        ways += ioctl(descriptors[n], TIOCSCTTY, 1) == 0;
        ways += ioctl(descriptors[n], TIOCCONS, 0) == 0;
        ways += tcgetattr(descriptors[n], &settings) == 0;
        if (ways != 0) reached++, printf("descriptor %d: %d ways\n", n, ways);
    }
    if (reached == 0) puts("contained");
    return 0;
}
