#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

static std::vector<std::string> code_points(const std::string& text) {
    std::vector<std::string> points;
    for (unsigned char byte : text) {
        if ((byte & 0xc0) == 0x80 && !points.empty()) points.back() += static_cast<char>(byte);
        else points.emplace_back(1, static_cast<char>(byte));
    }
    return points;
}

static std::uint32_t number(const std::string& point) {
    auto first = static_cast<unsigned char>(point[0]);
    std::uint32_t value = point.size() == 1 ? first : first & (0x7f >> point.size());
    for (std::size_t n = 1; n < point.size(); n++) value = value << 6 | (static_cast<unsigned char>(point[n]) & 0x3f);
    return value;
}

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        auto points = code_points(line);
        std::string reversed;
        std::uint32_t largest = 0;
        for (const auto& point : points) {
            reversed = point + reversed;
            largest = std::max(largest, number(point));
        }
        std::cout << line.size() << " bytes, " << points.size() << " points, largest U+" << std::hex << std::uppercase
                  << largest << std::dec << ", " << reversed << '\n';
    }
}
