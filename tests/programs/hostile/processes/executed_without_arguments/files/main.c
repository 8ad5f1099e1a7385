#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void tried(const char *what, const char *path, char **argv) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execv(path, argv);
        _exit(errno);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s: %s\n", what, status == 0 ? "done" : "refused");
}

int main(int argc, char **argv) {
    // Kernels before 5.18 give no argument at all, later ones an empty one.
    if (argc == 0 || argv[0][0] == '\0') return 0;
    char *none[] = {NULL}, *long_one[] = {"x", NULL, NULL}, *plain[] = {"x", NULL};
    tried("no arguments", "/proc/self/exe", none);
    long_one[1] = malloc(1 << 20);
    memset(long_one[1], 'a', (1 << 20) - 1);
    long_one[1][(1 << 20) - 1] = '\0';
    tried("a long argument", "/proc/self/exe", long_one);
    symlink("circle", "circle");
    tried("a circle", "circle", plain);
    FILE *script = fopen("script", "w");
    fputs("#!script\n", script);
    fclose(script);
    chmod("script", 0700);
    tried("a script of itself", "./script", plain);
    tried("a directory", "/tmp", plain);
    return 0;
}
