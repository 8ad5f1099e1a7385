#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int lowered(const char *file, const char *value) {
    int score = open(file, O_WRONLY);
    return score >= 0 && write(score, value, strlen(value)) > 0;
}

int main(void) {
    // Of the supervisor too: it would be killed before the program.
    int works = lowered("/proc/self/oom_score_adj", "-1") || lowered("/proc/self/oom_score_adj", "-1000") ||
                lowered("/proc/self/oom_adj", "-17") || lowered("/proc/1/oom_score_adj", "1000");
    if (works) write(1, "lowered\n", 8);
    else write(1, "refused\n", 8);
    // As much as the supervisor has, which a kernel may grant where /proc can be written.
    lowered("/proc/self/oom_score_adj", "0");
    for (;;) {
        char *more = malloc(1 << 20);
        if (more) memset(more, 1, 1 << 20);
    }
}
