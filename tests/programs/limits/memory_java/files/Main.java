import java.util.ArrayList;
import java.util.List;

public class Main {
    public static void main(String[] args) {
        List<byte[]> blocks = new ArrayList<>();
        for (int n = 0; n < 2048; n++) blocks.add(new byte[1 << 20]);
        System.out.println(blocks.size());
    }
}
