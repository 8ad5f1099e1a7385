#include <iostream>

int main() { std::cout << "own " << own() << '\n'; }
