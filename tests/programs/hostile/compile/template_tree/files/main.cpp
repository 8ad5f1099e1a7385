template <int Depth, long Path> struct Tree {
    Tree<Depth - 1, 2 * Path> left;
    Tree<Depth - 1, 2 * Path + 1> right;
};
template <long Path> struct Tree<0, Path> {};

int main() { return sizeof(Tree<40, 1>) == 0; }
