#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *at;
static const char *error;

static double sum(void);

static void skip(void) { while (isspace((unsigned char)*at)) at++; }

static int take(char c) {
    skip();
    if (*at != c) return 0;
    at++;
    return 1;
}

static double atom(void) {
    if (take('(')) {
        double value = sum();
        if (!take(')')) error = "missing )";
        return value;
    }
    if (take('-')) return -atom();
    skip();
    if (!isdigit((unsigned char)*at)) {
        error = "number expected";
        return 0;
    }
    char *end;
    double value = strtod(at, &end);
    at = end;
    return value;
}

static double power(void) {
    double base = atom();
    return take('^') ? pow(base, power()) : base;
}

static double product(void) {
    double value = power();
    for (;;) {
        if (take('*')) value *= power();
        else if (take('/')) {
            double by = power();
            if (by == 0) error = "division by zero";
            else value /= by;
        } else return value;
    }
}

static double sum(void) {
    double value = product();
    for (;;) {
        if (take('+')) value += product();
        else if (take('-')) value -= product();
        else return value;
    }
}

int main(void) {
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        at = line;
        error = NULL;
        double value = sum();
        skip();
        if (!error && *at) error = "rest not understood";
        if (error) printf("%s -> %s\n", line, error);
        else printf("%s = %.10g\n", line, value);
    }
    return 0;
}
