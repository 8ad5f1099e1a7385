#include <unistd.h>

int main(void) {
    for (int fd = 0; fd < 1024; fd++) close(fd);
    usleep(200000);
    return 0;
}
