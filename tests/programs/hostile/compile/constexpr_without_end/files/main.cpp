constexpr long count() {
    long n = 0;
    for (long i = 0; i < 1000000000000; i++) n += i;
    return n;
}

int main() {
    constexpr long n = count();
    return n & 1;
}
