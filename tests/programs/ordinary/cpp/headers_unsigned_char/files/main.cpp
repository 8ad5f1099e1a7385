#include <bits/stdc++.h>

int main() {
    std::cout << +std::numeric_limits<char>::min() << ' ' << +std::numeric_limits<char>::max() << '\n';
}
