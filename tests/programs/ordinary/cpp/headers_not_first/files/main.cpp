int five = 5;
#include <iostream>
#include "all.hpp"

int main() { std::cout << five << ' ' << seven() << '\n'; }
