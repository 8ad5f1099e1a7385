import java.util.ArrayList;
import java.util.List;

public class Main {
    static void fill() {
        List<byte[]> all = new ArrayList<>();
        while (true) {
            all.add(new byte[1 << 20]);
        }
    }

    public static void main(String[] args) {
        int caught = 0;
        for (int n = 0; n < 3; n++) {
            try {
                fill();
            } catch (OutOfMemoryError e) {
                caught++;
            }
        }
        System.out.println("caught " + caught + " times and goes on");
    }
}
