import java.io.BufferedWriter;
import java.io.OutputStreamWriter;

public class Main {
    public static void main(String[] args) throws Exception {
        try (var out = new BufferedWriter(new OutputStreamWriter(System.out))) {
            long state = 1;
            for (int line = 0; line < 50_000; line++) {
                out.write(line + ":");
                for (int n = 0; n < 4; n++) {
                    state = state * 6364136223846793005L + 1442695040888963407L;
                    out.write(" " + (state >>> 33));
                }
                out.write("\n");
            }
        }
    }
}
