int main(int count, char **args) {
    volatile int zero = count - 1;
    (void)args;
    return 7 / zero;
}
