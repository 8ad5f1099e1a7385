#include <iostream>
#include <vector>

int main(int count, char **) {
    std::vector<int> values(3);
    std::cout << values[2 + count] << '\n';
}
