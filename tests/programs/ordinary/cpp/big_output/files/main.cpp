#include <cstdio>
#include <iostream>

int main() {
    std::ios::sync_with_stdio(false);
    for (unsigned n = 0, value = 1; n < 350'000; n++, value = value * 1664525 + 1013904223) std::cout << value << '\n';
}
