#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, BUSY = 100, FAILED, ADDRESS = 0x400000 };

// exit(0), and nothing else: most of the time is to go into writing and executing.
#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
static const unsigned char code[] = {0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
static const unsigned code[] = {0xd2800000, 0xd2800ba8, 0xd4000001};
#endif

static struct {
    Elf64_Ehdr head;
    Elf64_Phdr segment;
    unsigned char code[sizeof code];
} program;

static struct { int done, busy, failed; } *counts;

static void make_program(void) {
    const size_t begin = (size_t)(program.code - (unsigned char *)&program);
    memcpy(program.head.e_ident, ELFMAG, SELFMAG);
    program.head.e_ident[EI_CLASS] = ELFCLASS64;
    program.head.e_ident[EI_DATA] = ELFDATA2LSB;
    program.head.e_ident[EI_VERSION] = EV_CURRENT;
    program.head.e_type = ET_EXEC;
    program.head.e_machine = MACHINE;
    program.head.e_version = EV_CURRENT;
    program.head.e_entry = ADDRESS + begin;
    program.head.e_phoff = sizeof program.head;
    program.head.e_ehsize = sizeof program.head;
    program.head.e_phentsize = sizeof program.segment;
    program.head.e_phnum = 1;
    program.segment = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = ADDRESS, .p_paddr = ADDRESS,
                                   .p_filesz = sizeof program, .p_memsz = sizeof program, .p_align = 4096};
    memcpy(program.code, code, sizeof code);
}

static void write_and_execute(int worker, int round) {
    char name[32];
    snprintf(name, sizeof name, "copy-%d-%d", worker, round);
    int copy = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (copy < 0 || write(copy, &program, sizeof program) != sizeof program || close(copy) != 0) _exit(1);
    pid_t child = vfork();
    if (child == 0) {
        execl(name, name, (char *)NULL);
        _exit(errno == ETXTBSY ? BUSY : FAILED);
    }
    int status;
    waitpid(child, &status, 0);
    int is_busy = WIFEXITED(status) && WEXITSTATUS(status) == BUSY;
    counts[worker].done++;
    counts[worker].busy += is_busy;
    counts[worker].failed += status != 0 && !is_busy;
    unlink(name);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1, done = 0, busy = 0, failed = 0;
    counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make_program();
    for (int worker = 0; worker < WORKERS; worker++) {
        if (fork() == 0) {
            for (int round = 0; round < rounds; round++) write_and_execute(worker, round);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {}
    for (int n = 0; n < WORKERS; n++) {
        done += counts[n].done;
        busy += counts[n].busy;
        failed += counts[n].failed;
    }
    printf("%d copies, %d busy, %d other failures\n", done, busy, failed);
    return 0;
}
