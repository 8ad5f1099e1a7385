#include <iostream>
#include <stdexcept>

struct Guard {
    ~Guard() { std::cout << "never printed\n"; }
};

int main() {
    std::cout << "before" << std::endl;
    Guard guard;
    throw std::runtime_error("the cause in words");
}
