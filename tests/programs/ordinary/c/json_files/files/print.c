#include "print.h"

#include <stdio.h>

static const char *const words[] = {"null", "false", "true"};

void print_leaves(const struct json *value, const char *path) {
    char deeper[256];
    int index = 0;
    switch (value->kind) {
    case JSON_NUMBER: printf("%s: %g\n", path, value->number); return;
    case JSON_STRING: printf("%s: '%s'\n", path, value->text); return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (!value->first) printf("%s: empty\n", path);
        for (const struct json *item = value->first; item; item = item->next) {
            if (item->name) snprintf(deeper, sizeof deeper, "%s.%s", path, item->name);
            else snprintf(deeper, sizeof deeper, "%s[%d]", path, index++);
            print_leaves(item, deeper);
        }
        return;
    default: printf("%s: %s\n", path, words[value->kind]);
    }
}
