#pragma once

#include <map>
#include <ostream>
#include <string>

namespace shop {

class Inventory {
    std::map<std::string, int> stock_;

  public:
    void add(const std::string& name, int count);
    bool take(const std::string& name, int count);
    int count(const std::string& name) const;
    friend std::ostream& operator<<(std::ostream& out, const Inventory& inventory);
};

}
