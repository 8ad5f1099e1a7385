// What javac is trained on when the image is made: the classes it loads and the
// methods it runs for this program go into its ahead-of-time cache, so it holds
// a little of each thing that submitted programs are made of.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

public class Training {
    sealed interface Shape permits Circle, Box {}

    record Circle(double radius) implements Shape {}

    record Box(double width, double height) implements Shape {}

    enum Colour { RED, GREEN }

    @FunctionalInterface
    interface Step<T> {
        T take(T value) throws IOException;
    }

    static abstract class Animal {
        protected final String name;

        Animal(String name) {
            this.name = name;
        }

        abstract String sound();
    }

    static final class Dog extends Animal {
        Dog() {
            super("dog");
        }

        @Override
        String sound() {
            return name + " barks";
        }
    }

    static double area(Shape shape) {
        return switch (shape) {
            case Circle(double radius) -> Math.PI * radius * radius;
            case Box box -> box.width() * box.height();
        };
    }

    static <T extends Comparable<T>> T largest(List<? extends T> values) {
        T best = null;
        for (T value : values) {
            if (best == null || value.compareTo(best) > 0) best = value;
        }
        return best;
    }

    static long fibonacci(int n) {
        return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
    }

    public static void main(String[] args) throws Exception {
        var reader = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = reader.readLine()) != null; ) {
            System.out.println(line.strip());
        }
        Map<String, Integer> counts = new HashMap<>();
        for (String word : "one two one".split(" ")) counts.merge(word, 1, Integer::sum);
        int[][] grid = new int[3][4];
        outer:
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 4; j++) {
                if (i * j > 4) break outer;
                grid[i][j] = i ^ j << 1;
            }
        }
        Function<Integer, Integer> twice = x -> x * 2;
        Step<String> step = value -> value + Colour.RED;
        String text = IntStream.range(0, 5).boxed().map(twice).map(String::valueOf).collect(Collectors.joining(","));
        PriorityQueue<int[]> queue = new PriorityQueue<>((a, b) -> Integer.compare(a[0], b[0]));
        queue.add(new int[] {1, 2});
        Deque<Integer> deque = new ArrayDeque<>(List.of(1, 2, 3));
        while (!deque.isEmpty()) deque.poll();
        var counter = new AtomicInteger();
        try (var pool = Executors.newFixedThreadPool(2)) {
            pool.submit(counter::incrementAndGet);
        }
        Thread thread = new Thread(() -> counter.addAndGet(2));
        thread.start();
        thread.join();
        synchronized (counter) {
            new ConcurrentHashMap<String, Long>().computeIfAbsent("x", key -> 1L);
        }
        try {
            throw new IllegalStateException(step.take("x"));
        } catch (IllegalStateException | IOException e) {
            System.err.println(e.getMessage());
        } finally {
            queue.clear();
        }
        Object any = area(new Circle(1)) > 3 ? "big" : Integer.valueOf(1);
        if (any instanceof String s && !s.isEmpty()) System.out.printf("%s %d %.2f%n", s, fibonacci(10), area(new Box(1, 2)));
        StringBuilder builder = new StringBuilder(new Dog().sound());
        builder.append(BigInteger.TWO.pow(100)).append(largest(List.of(1, 2))).append(text).append("""
            text block
            """);
        System.out.println(builder + " " + counts + " " + Arrays.toString(grid[1]) + " " + Optional.of(1).map(twice));
    }
}
