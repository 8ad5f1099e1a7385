import java.util.concurrent.CountDownLatch;

public class Main {
    static final CountDownLatch held = new CountDownLatch(2);

    static void take(Object first, Object second) {
        synchronized (first) {
            held.countDown();
            try {
                held.await();
            } catch (InterruptedException e) {
                return;
            }
            synchronized (second) {
                System.out.println("never");
            }
        }
    }

    public static void main(String[] args) throws InterruptedException {
        Object left = new Object();
        Object right = new Object();
        new Thread(() -> take(left, right)).start();
        new Thread(() -> take(right, left)).start();
        held.await();
        System.out.println("both hold one");
    }
}
