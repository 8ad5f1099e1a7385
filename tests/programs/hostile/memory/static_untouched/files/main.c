static volatile char all[16L << 30];

int main(void) {
    all[8L << 30] = 1;
    return all[8L << 30] - 1;
}
