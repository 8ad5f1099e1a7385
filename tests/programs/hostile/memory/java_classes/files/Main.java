import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.util.ArrayList;
import java.util.List;

public class Main {
    static class Template {
        static final long[] held = new long[64];

        static String text() {
            return "a constant of this class";
        }
    }

    public static void main(String[] args) throws Exception {
        byte[] code;
        try (InputStream in = Main.class.getResourceAsStream("Main$Template.class")) {
            code = in.readAllBytes();
        }
        List<Class<?>> all = new ArrayList<>();
        for (int n = 0; n < 1_000_000; n++) {
            all.add(MethodHandles.lookup().defineHiddenClass(code, true).lookupClass());
        }
        System.out.println("never");
    }
}
