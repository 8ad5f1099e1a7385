/* The linker of a compile step: gold where it says nothing, else what GCC would have run.
 *
 * gold needs a third of the time of GNU ld, but words its errors and warnings differently
 * and knows fewer options. So it links what a plain command of the driver asks for, and
 * whenever it fails, or has anything to say, GNU ld does it again: what a client reads is
 * always GNU ld's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static bool one_of(const char *text, const char *const *list) {
    while (*list && strcmp(text, *list) != 0) list++;
    return *list != NULL;
}

/* gold's command for the driver's; false where it holds anything that a plain one has not. */
static bool plain(char **from, char **to) {
    static const char *const alone[] = {"--build-id", "--eh-frame-hdr", "--hash-style=gnu", "--as-needed",
                                        "--no-as-needed", "--push-state", "--pop-state", "-pie", NULL};
    static const char *const with_value[] = {"-m", "-o", "-dynamic-linker", NULL};
    *to++ = GOLD;
    /* GNU ld warns of it unasked. */
    *to++ = "--warn-execstack";
    for (from++; *from; from++) {
        const char *dot = strrchr(*from, '.');
        /* The plugin is for link-time optimisation, which the image has not. */
        if (strcmp(*from, "-plugin") == 0 && from[1]) from++;
        else if (starts(*from, "-plugin-opt=")) continue;
        else if (one_of(*from, with_value) && from[1]) *to++ = *from++, *to++ = *from;
        else if (one_of(*from, alone) || starts(*from, "-L") || starts(*from, "-l")
                 || (**from != '-' && dot && strcmp(dot, ".o") == 0)) *to++ = *from;
        else return false;
    }
    *to = NULL;
    return true;
}

/* Whether gold linked it without a word. */
static bool links(char **command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    posix_spawn_file_actions_t actions;
    pid_t gold;
    bool started = posix_spawn_file_actions_init(&actions) == 0
                   && posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0
                   && posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) == 0
                   && posix_spawn(&gold, command[0], &actions, NULL, command, environ) == 0;
    close(ends[1]);
    if (!started) return false;
    char said;
    ssize_t got;
    while ((got = read(ends[0], &said, 1)) < 0 && errno == EINTR) {}
    close(ends[0]);
    int status;
    while (waitpid(gold, &status, 0) < 0) {
        if (errno != EINTR) return false;
    }
    return got == 0 && status == 0;
}

int main(int count, char **arguments) {
    char *command[count + 2];
    if (plain(arguments, command) && links(command)) return 0;
    arguments[0] = COLLECT2;
    execv(COLLECT2, arguments);
    perror(COLLECT2);
    return 1;
}
