#pragma GCC optimize("O3,unroll-loops")
#include <bits/stdc++.h>
using namespace std;

int main() {
    vector<long long> v(100);
    iota(v.begin(), v.end(), 0);
    cout << accumulate(v.begin(), v.end(), 0LL) << '\n';
}
