import queue
import threading

todo = queue.Queue(maxsize=16)
lock = threading.Lock()
results = {}


def work():
    while (number := todo.get()) is not None:
        steps, value = 0, number
        while value != 1:
            value = value // 2 if value % 2 == 0 else 3 * value + 1
            steps += 1
        with lock:
            results[number] = steps


threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for number in range(1, 2001):
    todo.put(number)
for _ in threads:
    todo.put(None)
for thread in threads:
    thread.join()
best = max(results, key=results.get)
print(len(results), best, results[best], sum(results.values()))
