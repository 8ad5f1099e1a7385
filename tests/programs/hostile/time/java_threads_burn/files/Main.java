public class Main {
    static volatile long spun;

    public static void main(String[] args) throws InterruptedException {
        Thread last = null;
        for (int n = 0; n < 4; n++) {
            last = new Thread(() -> {
                while (true) {
                    spun++;
                }
            });
            last.setDaemon(true);
            last.start();
        }
        last.join();
    }
}
