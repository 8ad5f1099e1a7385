#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>

static struct { long kind; char text[8192]; } message = {1, ""};

int main(void) {
    long held = 0;
    for (int n = 0; n < 20000 && held < 128L << 20; n++) {
        int queue = msgget(IPC_PRIVATE, 0600);
        if (queue < 0) break;
        while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) held += (long)sizeof message.text;
    }
    printf("%ld MiB wait, %s the limit\n", held >> 20, held > 32L << 20 ? "beyond" : "within");
    return 1;
}
