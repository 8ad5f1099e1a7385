#include <iostream>

#include "shop/inventory.hpp"

int main() {
    shop::Inventory inventory;
    std::string verb, name;
    while (std::cin >> verb >> name) {
        int count = 0;
        if (verb == "add" || verb == "take") std::cin >> count;
        if (verb == "add") inventory.add(name, count);
        else if (verb == "take" && !inventory.take(name, count)) std::cout << "not enough " << name << '\n';
        else if (verb == "count") std::cout << name << ": " << inventory.count(name) << '\n';
    }
    std::cout << inventory;
}
