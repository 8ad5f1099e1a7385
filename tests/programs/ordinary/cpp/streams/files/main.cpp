#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>

namespace fs = std::filesystem;

int main() {
    fs::create_directories("a/b/c");
    std::ofstream("a/b/c/log.txt") << "2024-01-15 ok\nbad line\n2023-12-31 failed\n2024-01-16 ok\n";
    {
        std::ofstream binary("a/numbers.bin", std::ios::binary);
        for (std::int32_t n = -3; n < 4; n++) binary.write(reinterpret_cast<const char*>(&n), sizeof n);
    }
    std::map<std::string, int> counts;
    const std::regex pattern(R"((\d{4})-(\d{2})-\d{2} (\w+))");
    std::ifstream log("a/b/c/log.txt");
    for (std::string line; std::getline(log, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, pattern)) counts[parts[1].str() + " " + parts[3].str()]++;
    }
    for (const auto& [key, count] : counts) std::cout << key << ": " << count << '\n';
    std::ifstream binary("a/numbers.bin", std::ios::binary);
    long sum = 0;
    for (std::int32_t n; binary.read(reinterpret_cast<char*>(&n), sizeof n);) sum += n * n;
    std::cout << sum << ' ' << fs::file_size("a/numbers.bin") << ' ' << fs::remove_all("a") << '\n';
}
