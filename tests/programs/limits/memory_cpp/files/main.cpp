#include <cstdio>
#include <memory>
#include <vector>

int main() {
    std::vector<std::unique_ptr<std::vector<char>>> blocks;
    for (int n = 0; n < 2048; n++) blocks.push_back(std::make_unique<std::vector<char>>(1 << 20, 'x'));
    std::printf("%zu blocks\n", blocks.size());
}
