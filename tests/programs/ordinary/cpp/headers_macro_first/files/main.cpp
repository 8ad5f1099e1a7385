#define _GLIBCXX_ASSERTIONS
#include <bits/stdc++.h>

int main(int count, char **) {
    std::vector<int> values(3);
    return values[2 + count];
}
