import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

public class Main {
    public static void main(String[] args) {
        for (int n = 0; n < 256; n++) {
            MemorySegment more = Arena.global().allocate(4L << 20);
            more.fill((byte) 1);
        }
        System.out.println("1 GiB taken");
    }
}
