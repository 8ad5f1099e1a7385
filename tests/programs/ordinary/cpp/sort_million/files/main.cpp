#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <vector>

static void radix_sort(std::vector<std::uint32_t>& values) {
    std::vector<std::uint32_t> other(values.size());
    for (int shift = 0; shift < 32; shift += 8) {
        std::array<std::size_t, 257> starts{};
        for (auto value : values) starts[(value >> shift & 255) + 1]++;
        std::partial_sum(starts.begin(), starts.end(), starts.begin());
        for (auto value : values) other[starts[value >> shift & 255]++] = value;
        values.swap(other);
    }
}

int main() {
    std::vector<std::uint32_t> values(1'000'000);
    std::uint64_t state = 1;
    for (auto& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = static_cast<std::uint32_t>(state >> 32);
    }
    auto again = values;
    std::sort(values.begin(), values.end());
    radix_sort(again);
    std::uint64_t hash = 0;
    for (auto value : again) hash = hash * 31 + value;
    std::cout << (values == again ? "same " : "different ") << hash << '\n';
    std::cout << values.front() << ' ' << values[values.size() / 2] << ' ' << values.back() << '\n';
}
