// Finds another pair than the judge does, the later place first.
#include <iostream>
#include <map>
#include <vector>

int main() {
    int count = 0;
    long long target = 0;
    std::cin >> count >> target;
    std::vector<long long> values(count);
    for (auto &value : values) std::cin >> value;
    std::map<long long, int> seen;
    for (int place = count; place >= 1; --place) {
        const auto found = seen.find(target - values[place - 1]);
        if (found != seen.end()) {
            std::cout << found->second << ' ' << place << '\n';
            return 0;
        }
        seen.emplace(values[place - 1], place);
    }
    std::cout << "impossible\n";
}
