public class Main {
    private static int deepest;

    public static void main(String[] args) throws Exception {
        System.out.println(hanoi(18, 'a', 'b', 'c'));
        try {
            fall(1);
        } catch (StackOverflowError full) {
            System.out.println("caught, " + (deepest > 1000 ? "deep enough" : "too early"));
        }
        var thread = new Thread(null, () -> System.out.println(sum(100_000)), "deep", 256L << 20);
        thread.start();
        thread.join();
    }

    private static int hanoi(int discs, char from, char over, char to) {
        return discs == 0 ? 0 : hanoi(discs - 1, from, to, over) + 1 + hanoi(discs - 1, over, from, to);
    }

    private static void fall(int depth) {
        deepest = depth;
        fall(depth + 1);
    }

    private static long sum(int n) {
        return n == 0 ? 0 : n + sum(n - 1);
    }
}
