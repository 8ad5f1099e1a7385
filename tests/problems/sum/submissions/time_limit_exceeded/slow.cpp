// Right, and never done with the large case: it counts to each value, one by one.
#include <iostream>

int main() {
    int count = 0;
    std::cin >> count;
    volatile long long sum = 0;
    long long value = 0;
    while (count-- > 0 && std::cin >> value) {
        const long long step = value < 0 ? -1 : 1;
        for (long long left = value; left != 0; left -= step) sum = sum + step;
    }
    std::cout << "Sum: " << sum << '\n';
}
