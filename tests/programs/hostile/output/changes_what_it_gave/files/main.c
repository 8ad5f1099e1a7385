#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 65536 };

int main(void) {
    char *pages = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return 1;
    memset(pages, 'a', SIZE);
    pid_t changer = fork();
    if (changer == 0) {
        for (char letter = 'a';; letter = letter == 'z' ? 'a' : (char)(letter + 1)) memset(pages, letter, SIZE);
    }
    for (ssize_t given, at = 0; at < SIZE; at += given) {
        struct iovec rest = {pages + at, (size_t)(SIZE - at)};
        given = vmsplice(1, &rest, 1, 0);
        if (given < 0) given = write(1, rest.iov_base, rest.iov_len);  // a kernel without the call
        if (given < 0) return 2;
    }
    return 0;
}
