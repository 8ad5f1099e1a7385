#ifndef JSON_H
#define JSON_H

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    double number;
    char *text;          // of a string
    char *name;          // within an object
    struct json *first;  // of an array or object
    struct json *next;   // within an array or object
};

struct json *json_parse(const char *text);
const char *json_error(void);
void json_free(struct json *value);

#endif
