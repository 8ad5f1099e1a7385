template <class T> struct Longer {
    Longer<T *> operator->();
};

Longer<int> one;
int all = one->end;
