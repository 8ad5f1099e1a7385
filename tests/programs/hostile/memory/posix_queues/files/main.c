#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    static char text[8192];
    long held = 0, own;
    int ends[2];
    if (pipe(ends) != 0) return 1;
    for (int n = 0; n < 4; n++) {
        if (fork() > 0) continue;
        own = 0;
        for (int m = 0; m < 1000; m++) {
            char name[32];
            struct mq_attr shape = {.mq_maxmsg = 10, .mq_msgsize = sizeof text};
            snprintf(name, sizeof name, "/left-%d-%d", n, m);
            mqd_t queue = mq_open(name, O_CREAT | O_WRONLY | O_NONBLOCK, 0600, &shape);
            if (queue == (mqd_t)-1) break;
            while (mq_send(queue, text, sizeof text, 0) == 0) own += (long)sizeof text;
        }
        write(ends[1], &own, sizeof own);
        _exit(0);
    }
    for (int n = 0; n < 4 && read(ends[0], &own, sizeof own) == sizeof own; n++) held += own;
    printf("%s a MiB\n", held > 0 && held <= 1 << 20 ? "within" : held ? "beyond" : "nothing of");
    return 0;
}
