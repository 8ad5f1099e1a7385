#include <stdio.h>

#include "json/json.h"
#include "print.h"

static char text[1 << 16];

int main(void) {
    size_t length = fread(text, 1, sizeof text - 1, stdin);
    text[length] = 0;
    struct json *value = json_parse(text);
    if (!value) {
        printf("error: %s\n", json_error());
        return 2;
    }
    print_leaves(value, "$");
    json_free(value);
    return 0;
}
