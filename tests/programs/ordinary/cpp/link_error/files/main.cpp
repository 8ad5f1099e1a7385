int elsewhere(int value);

int main() { return elsewhere(1); }
