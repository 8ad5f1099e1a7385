public class Main {
    public static void main(String[] args) {
        for (int n = 0; n < 4; n++) {
            new Thread(() -> {
                while (true) {
                    System.out.println("for ever and ever");
                }
            }).start();
        }
    }
}
