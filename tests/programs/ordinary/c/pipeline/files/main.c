#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void upper(int from, int to) {
    char c;
    while (read(from, &c, 1) == 1) {
        c = (char)toupper((unsigned char)c);
        if (write(to, &c, 1) != 1) _exit(1);
    }
}

static void sort(int from, int to) {
    char *lines[64], text[64];
    int count = 0;
    FILE *in = fdopen(from, "r"), *out = fdopen(to, "w");
    while (count < 64 && fgets(text, sizeof text, in)) lines[count++] = strdup(text);
    qsort(lines, (size_t)count, sizeof *lines, compare);
    for (int n = 0; n < count; n++) fputs(lines[n], out);
    fclose(out);
}

static int stage(void (*work)(int, int), int from) {
    int ends[2];
    if (pipe(ends)) exit(3);
    if (fork() == 0) {
        close(ends[0]);
        work(from, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    close(from);
    return ends[0];
}

int main(void) {
    int end = stage(sort, stage(upper, dup(0)));
    char buffer[256];
    ssize_t length;
    while ((length = read(end, buffer, sizeof buffer)) > 0) {
        if (write(1, buffer, (size_t)length) != length) return 1;
    }
    int status, ended = 0;
    while (wait(&status) > 0) ended += status == 0;
    return ended == 2 ? 0 : 4;
}
