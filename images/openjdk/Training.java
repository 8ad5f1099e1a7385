// What javac and java are trained on when the image is made: the classes that javac loads
// and the methods it runs for this program go into its ahead-of-time cache, those that the
// program itself loads into java's class archive. So it holds a little of each thing that
// submitted programs are made of.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StreamTokenizer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.time.Duration;
import java.time.LocalDate;
import java.util.*;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
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

    static String read(String text) throws IOException {
        Scanner scanner = new Scanner(text);
        long sum = scanner.nextInt() + scanner.nextLong();
        double half = scanner.nextDouble();
        scanner.nextLine();
        String word = scanner.hasNext() ? scanner.next() : "";
        StreamTokenizer numbers = new StreamTokenizer(new BufferedReader(new java.io.StringReader(text)));
        numbers.nextToken();
        StringTokenizer words = new StringTokenizer(text);
        return sum + " " + half + word + numbers.nval + words.nextToken() + text.matches("[0-9]+.*");
    }

    static void collect() {
        List<Box> boxes = new ArrayList<>(List.of(new Box(2, 1), new Box(1, 3), new Box(2, 3)));
        boxes.sort(Comparator.comparingDouble(Box::width).thenComparing(Box::height, Comparator.reverseOrder()));
        Map<Double, List<Double>> groups = boxes.stream()
                .collect(Collectors.groupingBy(Box::width, TreeMap::new, Collectors.mapping(Box::height, Collectors.toList())));
        Map<Boolean, Long> halves = boxes.stream().collect(Collectors.partitioningBy(b -> b.width() > 1, Collectors.counting()));
        Map<Double, Double> sums = boxes.stream().collect(Collectors.toMap(Box::width, Box::height, Double::sum, LinkedHashMap::new));
        var statistics = boxes.stream().mapToDouble(Training::area).summaryStatistics();
        var sorted = boxes.stream().map(Box::toString).filter(s -> !s.isBlank()).distinct().sorted().limit(9).skip(1).toList();
        var turned = boxes.stream().sorted(Comparator.comparing(Box::width).thenComparing(Box::height).reversed()).toList();
        var odd = new TreeMap<>(sums).keySet().stream().mapToInt(Double::intValue).filter(n -> n % 2 == 1).mapToObj(Integer::toString).toList();
        var doubled = IntStream.rangeClosed(1, 9).map(n -> n * 2).boxed().collect(Collectors.toSet());
        int flat = boxes.stream().flatMap(b -> Arrays.asList(b, b).stream()).mapToInt(Object::hashCode).reduce(0, Integer::sum);
        Optional<Box> most = boxes.stream().max(Comparator.comparingDouble(Training::area));
        TreeSet<Integer> tree = new TreeSet<>(Set.of(3, 1, 2));
        NavigableMap<String, Set<Integer>> index = new TreeMap<>(Collections.reverseOrder());
        index.computeIfAbsent("k", key -> new LinkedHashSet<>()).add(tree.ceiling(2));
        EnumMap<Colour, Integer> colours = new EnumMap<>(Map.of(Colour.RED, 1));
        BitSet bits = new BitSet(64);
        bits.set(3);
        LinkedList<Integer> list = new LinkedList<>(tree);
        Collections.shuffle(list, new Random(1));
        Iterator<Integer> each = list.iterator();
        while (each.hasNext()) if (each.next() > 2) each.remove();
        new Stack<Integer>().push(Collections.max(list));
        System.out.println(groups + " " + halves + sums + statistics + sorted + turned + odd + doubled + flat + most.isPresent() + index + colours + bits);
        System.out.println(String.format("%5d|%-6s|%08.3f|%x|%,d|%e|%b|%c", 42, "x", Math.PI, 255, 1234567L, 1.5, true, 'c'));
        System.out.println(new BigDecimal("1.25").setScale(1, RoundingMode.HALF_UP) + " " + BigInteger.TEN.modPow(BigInteger.TWO, BigInteger.valueOf(7)));
        System.out.println(LocalDate.of(2020, 1, 31).plusMonths(1) + " " + Duration.ofSeconds(61) + String.join("-", sorted) + "ab".repeat(2).chars().sum());
        PrintWriter writer = new PrintWriter(System.out);
        writer.printf(Locale.ROOT, "%d%n", System.nanoTime() > 0 ? 1 : 0);
        writer.flush();
    }

    public static void main(String[] args) throws Exception {
        System.out.println(read("1 2 3.5 x\nword"));
        collect();
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
        counter.addAndGet(CompletableFuture.supplyAsync(() -> 1).thenApply(x -> x + 1).get());
        var lock = new ReentrantLock();
        lock.lock();
        lock.unlock();
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
