#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_here(void) { return syscall(SYS_unshare, 0x10000000) == 0 || syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != ENOSYS; }

static int exit_of(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int count, char **args) {
    extern char **environ;
    if (count > 1 && strcmp(args[1], "inside") == 0) return open_here() ? 7 : 42;
    int memory = memfd_create("program", 0), own = open("/proc/self/exe", O_RDONLY);
    while (sendfile(memory, own, NULL, 1 << 20) > 0) {}
    pid_t child = fork();
    if (child == 0) {
        char *again[] = {"program", "inside", NULL};
        fexecve(memory, again, environ);
        _exit(8);
    }
    int from_memory = exit_of(child);
    int script = open("/tmp/script", O_CREAT | O_WRONLY, 0700);
    if (write(script, "#!/tmp/script\n", 14) != 14) return 1;
    fchmod(script, 0700), close(script);
    if ((child = fork()) == 0) {
        execl("/tmp/script", "script", NULL);
        _exit(errno == ELOOP || errno == ENOEXEC ? 42 : 9);
    }
    int from_script = exit_of(child);
    if (from_memory == 42 && from_script == 42) puts("contained");
    else printf("broken: %d and %d\n", from_memory, from_script);
    return 0;
}
