#include <unistd.h>

int main(int argc, char **argv, char **env) {
    (void)argc;
    execve("/proc/self/exe", argv, env);
    return 1;
}
