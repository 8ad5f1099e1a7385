#ifndef PRINT_H
#define PRINT_H

#include "json/json.h"

void print_leaves(const struct json *value, const char *path);

#endif
