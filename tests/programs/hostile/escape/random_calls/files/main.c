#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state = 20240229;
static volatile long *made;

static uint64_t next(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

// Arguments that get further than noise: descriptors, pages, small numbers, flags.
static long argument(char *page) {
    static const long edges[] = {0, 1, -1, 2, 4096, 0x7fffffff, -100, 0x80000000L};
    switch (next() % 5) {
    case 0: return (long)(next() % 8);
    case 1: return (long)(page + next() % 4000);
    case 2: return edges[next() % 8];
    case 3: return 1L << next() % 40;
    default: return (long)next();
    }
}

// Those that soon end this program itself, or make copies of it; tracing and shared memory have programs of their own.
static int is_left_out(long number) {
    static const long all[] = {SYS_kill, SYS_tkill, SYS_tgkill, SYS_ptrace, SYS_exit, SYS_exit_group, SYS_clone, SYS_munmap, SYS_mremap,
                               SYS_mprotect, SYS_brk, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_execve, SYS_seccomp, SYS_prctl, SYS_mmap,
#ifdef __x86_64__
                               SYS_fork, SYS_vfork, SYS_pause, SYS_arch_prctl,
#endif
                               SYS_ppoll, SYS_pselect6, SYS_close_range, SYS_prlimit64, SYS_setrlimit, SYS_shmdt, SYS_shmat, SYS_madvise,
                               SYS_shmget};
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
        if (all[n] == number) return 1;
    }
    return 0;
}

static void burst(char *page) {
    for (int n = 0; n < 400; n++) {
        long number = (long)(next() % 480);
        if (is_left_out(number)) continue;
        long a = argument(page), b = argument(page), c = argument(page), d = argument(page);
        ++*made;
        syscall(number, a, b, c, d, argument(page), argument(page));
    }
}

int main(void) {
    made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    printf("seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    for (int round = 0; round < 40; round++) {
        next();
        // The child draws on from here: the parent goes on from where it was.
        state += (uint64_t)round;
        pid_t child = fork();
        if (child == 0) {
            char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            int null = open("/dev/null", O_RDWR);
            dup2(null, 1), dup2(null, 2);
            alarm(1);
            burst(page);
            _exit(0);
        }
        for (int looks = 0; waitpid(child, NULL, WNOHANG) == 0; looks++) {
            usleep(500);
            if (looks > 400) kill(child, SIGKILL);
        }
    }
    printf("%ld calls\n", *made);
    return 0;
}
