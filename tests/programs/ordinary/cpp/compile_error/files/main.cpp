#include <type_traits>

template <typename T> T twice(T value) {
    static_assert(std::is_arithmetic_v<T>, "numbers only, please");
    return value + value;
}

struct Name {};

int main() { twice(Name{}); }
