#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

static std::string longest(const std::string& a, const std::string& b) {
    std::vector<std::vector<int>> best(a.size() + 1, std::vector<int>(b.size() + 1));
    for (std::size_t i = 1; i <= a.size(); i++)
        for (std::size_t j = 1; j <= b.size(); j++)
            best[i][j] = a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    std::string found;
    for (auto i = a.size(), j = b.size(); i && j;) {
        if (a[i - 1] == b[j - 1]) found += a[--i], --j;
        else if (best[i - 1][j] >= best[i][j - 1]) --i;
        else --j;
    }
    std::reverse(found.begin(), found.end());
    return found;
}

int main() {
    for (std::string a, b; std::getline(std::cin, a) && std::getline(std::cin, b);) {
        auto common = longest(a, b);
        std::cout << common.size() << " '" << common << "'\n";
    }
    std::string x, y;
    for (unsigned n = 0, state = 1; n < 2000; n++) {
        state = state * 1103515245 + 12345;
        x += static_cast<char>('a' + (state >> 16) % 4);
        y += static_cast<char>('a' + (state >> 20) % 4);
    }
    std::cout << longest(x, y).size() << '\n';
}
