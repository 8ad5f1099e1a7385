import java.util.ArrayDeque;
import java.util.List;
import java.util.Scanner;
import java.util.stream.Stream;

public class Main {
    record Item(String name, int weight, int value) {}

    public static void main(String[] args) {
        var in = new Scanner(System.in);
        int room = in.nextInt();
        List<Item> items = Stream.generate(() -> in.hasNext() ? new Item(in.next(), in.nextInt(), in.nextInt()) : null)
                .takeWhile(item -> item != null)
                .toList();
        int[][] best = new int[items.size() + 1][room + 1];
        for (int n = 1; n <= items.size(); n++) {
            Item item = items.get(n - 1);
            for (int w = 0; w <= room; w++) {
                int with = w < item.weight() ? -1 : best[n - 1][w - item.weight()] + item.value();
                best[n][w] = Math.max(best[n - 1][w], with);
            }
        }
        var chosen = new ArrayDeque<Item>();
        for (int n = items.size(), w = room; n > 0; n--) {
            if (best[n][w] != best[n - 1][w]) {
                chosen.addFirst(items.get(n - 1));
                w -= items.get(n - 1).weight();
            }
        }
        System.out.println(best[items.size()][room]);
        chosen.forEach(System.out::println);
    }
}
