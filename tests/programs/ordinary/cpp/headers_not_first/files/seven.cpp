#include "all.hpp"

int seven() { return std::max({3, 7, 5}); }
