#include <cmath>
#include <cstdio>

int main() {
    double radius = 0;
    while (std::scanf("%lf", &radius) == 1) std::printf("%.9f\n", std::acos(-1.0) * radius * radius);
}
