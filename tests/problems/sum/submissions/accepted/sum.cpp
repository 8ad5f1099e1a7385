#include <iostream>

int main() {
    int count = 0;
    std::cin >> count;
    long long sum = 0, value = 0;
    while (count-- > 0 && std::cin >> value) sum += value;
    std::cout << "Sum: " << sum << '\n';
}
