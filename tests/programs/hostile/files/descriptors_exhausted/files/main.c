#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    struct rlimit more = {1 << 20, 1 << 20};
    int raised = setrlimit(RLIMIT_NOFILE, &more) == 0, status, bad = 0;
    for (int n = 0; n < 8; n++) {
        if (fork() == 0) {
            int opened = 0, last = 0;
            while (opened < 100000 && (last = open("/dev/null", O_RDONLY)) >= 0) opened++;
            _exit(last < 0 && errno == EMFILE && opened < 1024 ? 0 : 1);
        }
    }
    while (wait(&status) > 0) bad += status != 0;
    if (bad == 0 && !raised) puts("contained");
    else printf("broken: %d children with more, limit %s\n", bad, raised ? "raised" : "kept");
    return 0;
}
