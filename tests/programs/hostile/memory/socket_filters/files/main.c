#include <linux/filter.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void) {
    static struct sock_filter code[4096];
    for (int n = 0; n < 4095; n++) code[n] = (struct sock_filter){BPF_ALU | BPF_ADD | BPF_K, 0, 0, 1};
    code[4095] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, 0};
    struct sock_fprog filter = {4096, code};
    int compiled = 0;
    // A few tell; five jobs that go on until their memory is full take what every other sandbox needs to start.
    for (int n = 0; n < 20; n++) {
        int end = socket(AF_INET, n % 2 ? SOCK_STREAM : SOCK_DGRAM, 0), one = 1;
        compiled += setsockopt(end, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
        setsockopt(end, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
        compiled += setsockopt(end, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0;
    }
    printf(compiled ? "%d were compiled\n" : "none was compiled\n", compiled);
    return 0;
}
