#include <cstdint>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <vector>

class Natural {
    static constexpr std::uint64_t base = 1'000'000'000;
    std::vector<std::uint32_t> digits_{1};

  public:
    Natural& operator*=(std::uint32_t factor) {
        std::uint64_t carry = 0;
        for (auto& digit : digits_) {
            carry += std::uint64_t{digit} * factor;
            digit = static_cast<std::uint32_t>(carry % base);
            carry /= base;
        }
        if (carry) digits_.push_back(static_cast<std::uint32_t>(carry));
        return *this;
    }
    std::string text() const {
        std::ostringstream out;
        out << digits_.back();
        for (auto digit = digits_.rbegin() + 1; digit != digits_.rend(); ++digit) out << std::setw(9) << std::setfill('0') << *digit;
        return out.str();
    }
};

int main() {
    Natural product;
    for (std::uint32_t n = 2; n <= 500; n++) product *= n;
    int sum = 0;
    for (char digit : product.text()) sum += digit - '0';
    std::cout << product.text() << '\n' << product.text().size() << " digits, sum " << sum << '\n';
}
