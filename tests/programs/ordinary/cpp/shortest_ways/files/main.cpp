#include <iostream>
#include <limits>
#include <queue>
#include <vector>

int main() {
    int nodes, edges;
    std::cin >> nodes >> edges;
    std::vector<std::vector<std::pair<int, long>>> graph(nodes);
    for (int n = 0; n < edges; n++) {
        int from, to;
        long cost;
        std::cin >> from >> to >> cost;
        graph[from].emplace_back(to, cost);
    }
    constexpr long never = std::numeric_limits<long>::max();
    std::vector<long> least(nodes, never);
    std::priority_queue<std::pair<long, int>, std::vector<std::pair<long, int>>, std::greater<>> open;
    open.emplace(least[0] = 0, 0);
    while (!open.empty()) {
        auto [cost, node] = open.top();
        open.pop();
        if (cost > least[node]) continue;
        for (auto [to, more] : graph[node])
            if (cost + more < least[to]) open.emplace(least[to] = cost + more, to);
    }
    for (int node = 0; node < nodes; node++) {
        if (least[node] == never) std::cout << node << " unreachable\n";
        else std::cout << node << ' ' << least[node] << '\n';
    }
}
