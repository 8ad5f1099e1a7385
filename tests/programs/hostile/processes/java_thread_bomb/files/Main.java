public class Main {
    public static void main(String[] args) {
        while (true) {
            Thread thread = new Thread(() -> {
                while (true) {
                    try {
                        Thread.sleep(1_000_000);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                }
            });
            thread.setDaemon(true);
            thread.start();
        }
    }
}
