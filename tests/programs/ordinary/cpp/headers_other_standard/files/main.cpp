#include <bits/stdc++.h>

int main() {
#ifdef __cpp_lib_ranges
    bool ranges = true;
#else
    bool ranges = false;
#endif
    std::cout << __cplusplus << ' ' << ranges << '\n';
}
