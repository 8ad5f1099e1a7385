static volatile char all[512 << 20];

int main(void) {
    for (long at = 0; at < (long)sizeof all; at += 4096) all[at] = 1;
    return 0;
}
