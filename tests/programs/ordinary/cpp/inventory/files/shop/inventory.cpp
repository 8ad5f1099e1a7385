#include "shop/inventory.hpp"

namespace shop {

void Inventory::add(const std::string& name, int count) { stock_[name] += count; }

bool Inventory::take(const std::string& name, int count) {
    auto found = stock_.find(name);
    if (found == stock_.end() || found->second < count) return false;
    found->second -= count;
    return true;
}

int Inventory::count(const std::string& name) const {
    auto found = stock_.find(name);
    return found == stock_.end() ? 0 : found->second;
}

std::ostream& operator<<(std::ostream& out, const Inventory& inventory) {
    for (const auto& [name, count] : inventory.stock_) out << name << '=' << count << '\n';
    return out;
}

}
