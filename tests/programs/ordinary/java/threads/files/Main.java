import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

public class Main {
    public static void main(String[] args) throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        var total = new AtomicLong();
        var lengths = new ConcurrentHashMap<Integer, Integer>();
        List<Future<Integer>> longest = new ArrayList<>();
        for (int part = 0; part < 16; part++) {
            int from = part * 5_000 + 1;
            longest.add(pool.submit(() -> {
                int best = 0;
                for (int n = from; n < from + 5_000; n++) {
                    int steps = 0;
                    for (long value = n; value != 1; value = value % 2 == 0 ? value / 2 : 3 * value + 1) steps++;
                    total.addAndGet(steps);
                    lengths.merge(steps / 50, 1, Integer::sum);
                    best = Math.max(best, steps);
                }
                return best;
            }));
        }
        int best = 0;
        for (var part : longest) best = Math.max(best, part.get());
        pool.shutdown();
        System.out.println(pool.awaitTermination(10, TimeUnit.SECONDS) + " " + best + " " + total);
        System.out.println(new TreeMap<>(lengths));
    }
}
