static volatile char all[1L << 47];

int main(void) {
    return all[1L << 46];
}
