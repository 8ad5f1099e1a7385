#include <condition_variable>
#include <deque>
#include <future>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

template <typename T> class Channel {
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<T> items_;
    bool closed_ = false;

  public:
    void send(T item) {
        std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));
        ready_.notify_one();
    }
    void close() {
        std::lock_guard lock(mutex_);
        closed_ = true;
        ready_.notify_all();
    }
    std::optional<T> receive() {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return closed_ || !items_.empty(); });
        if (items_.empty()) return std::nullopt;
        T item = std::move(items_.front());
        items_.pop_front();
        return item;
    }
};

static int primes_between(int from, int to) {
    int count = 0;
    for (int n = std::max(from, 2); n < to; n++) {
        bool prime = true;
        for (int d = 2; d * d <= n && prime; d++) prime = n % d != 0;
        count += prime;
    }
    return count;
}

int main() {
    std::vector<std::future<int>> parts;
    for (int n = 0; n < 8; n++) {
        parts.push_back(std::async(std::launch::async, primes_between, n * 25'000, (n + 1) * 25'000));
    }
    Channel<int> channel;
    std::jthread sender([&] {
        for (auto& part : parts) channel.send(part.get());
        channel.close();
    });
    int total = 0;
    while (auto count = channel.receive()) {
        std::cout << *count << '\n';
        total += *count;
    }
    std::cout << "below 200000: " << total << '\n';
}
