import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        Map<String, Integer> counts = new HashMap<>();
        try (var in = new Scanner(System.in)) {
            while (in.hasNext()) counts.merge(in.next().toLowerCase(), 1, Integer::sum);
        }
        counts.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder()).thenComparing(Map.Entry.comparingByKey()))
                .limit(8)
                .forEach(e -> System.out.println(e.getValue() + " " + e.getKey()));
    }
}
