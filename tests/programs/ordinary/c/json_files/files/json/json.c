#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char *at, *error = "none";

static struct json *value(void);

static void blank(void) { at += strspn(at, " \t\r\n"); }

static int take(const char *word) {
    blank();
    size_t length = strlen(word);
    if (strncmp(at, word, length)) return 0;
    at += length;
    return 1;
}

static struct json *fail(const char *why) {
    if (!strcmp(error, "none")) error = why;
    return NULL;
}

static size_t utf8(unsigned code, char *to) {
    if (code < 0x80) return to[0] = (char)code, 1;
    if (code < 0x800) return to[0] = (char)(0xc0 | code >> 6), to[1] = (char)(0x80 | (code & 63)), 2;
    to[0] = (char)(0xe0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 63));
    to[2] = (char)(0x80 | (code & 63));
    return 3;
}

static char *string(void) {
    char *text = malloc(strlen(at) + 1);
    size_t length = 0;
    for (; *at && *at != '"'; at++) {
        if (*at != '\\') {
            text[length++] = *at;
            continue;
        }
        static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
        const char *found = strchr(from, *++at);
        if (*at == 'u') {
            char digits[5] = {0};
            strncpy(digits, at + 1, 4);
            length += utf8((unsigned)strtoul(digits, NULL, 16), text + length);
            at += 4;
        } else if (found && *found) text[length++] = to[found - from];
    }
    text[length] = 0;
    if (*at == '"') return at++, text;
    free(text);
    fail("string without end");
    return NULL;
}

static struct json *make(enum json_kind kind) {
    struct json *made = calloc(1, sizeof *made);
    made->kind = kind;
    return made;
}

static struct json *list(enum json_kind kind, const char *close) {
    struct json *made = make(kind), **last = &made->first;
    if (take(close)) return made;
    do {
        char *name = NULL;
        if (kind == JSON_OBJECT) {
            if (!take("\"") || !(name = string()) || !take(":")) {
                free(name);
                json_free(made);
                return fail("member expected");
            }
        }
        *last = value();
        if (!*last) {
            free(name);
            json_free(made);
            return NULL;
        }
        (*last)->name = name;
        last = &(*last)->next;
    } while (take(","));
    if (take(close)) return made;
    json_free(made);
    return fail("list without end");
}

static struct json *value(void) {
    if (take("{")) return list(JSON_OBJECT, "}");
    if (take("[")) return list(JSON_ARRAY, "]");
    if (take("true")) return make(JSON_TRUE);
    if (take("false")) return make(JSON_FALSE);
    if (take("null")) return make(JSON_NULL);
    if (take("\"")) {
        char *text = string();
        if (!text) return NULL;
        struct json *made = make(JSON_STRING);
        made->text = text;
        return made;
    }
    char *end;
    double number = strtod(at, &end);
    if (end == at) return fail("value expected");
    at = end;
    struct json *made = make(JSON_NUMBER);
    made->number = number;
    return made;
}

struct json *json_parse(const char *text) {
    at = text;
    struct json *made = value();
    blank();
    if (!made || !*at) return made;
    json_free(made);
    return fail("more after the value");
}

const char *json_error(void) { return error; }

void json_free(struct json *value) {
    while (value) {
        struct json *next = value->next;
        json_free(value->first);
        free(value->text);
        free(value->name);
        free(value);
        value = next;
    }
}
