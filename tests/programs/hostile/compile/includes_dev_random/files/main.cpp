#include "/dev/urandom"
#include "/dev/random"

int main() {}
