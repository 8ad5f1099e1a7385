static volatile int depth;

static int deeper(int n) {
    volatile char frame[256];
    frame[n % 256] = (char)n;
    depth = n;
    return deeper(n + 1) + frame[n % 256];
}

int main(void) {
    return deeper(0);
}
