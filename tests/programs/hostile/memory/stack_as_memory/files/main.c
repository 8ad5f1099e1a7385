static int deeper(int n) {
    volatile char frame[4096];
    frame[n % 4096] = (char)n;
    return n > 120000 ? 0 : deeper(n + 1) + frame[n % 4096];
}

int main(void) {
    return deeper(0) & 1;
}
