__asm__(".data\n .skip 1 << 40, 1\n .text\n");

int main(void) {
    return 0;
}
