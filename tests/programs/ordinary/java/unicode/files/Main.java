import java.nio.charset.StandardCharsets;
import java.text.Normalizer;

public class Main {
    public static void main(String[] args) throws Exception {
        String größe = "Größe 日本 🚀";
        System.out.println(größe + " " + größe.length() + " " + größe.codePointCount(0, größe.length()));
        System.out.println(new StringBuilder(größe).reverse());
        for (String arg : args) System.out.println(Normalizer.normalize(arg, Normalizer.Form.NFD).length() + " " + arg.toUpperCase());
        System.out.print(new String(System.in.readAllBytes(), StandardCharsets.UTF_8).strip().toUpperCase());
        System.out.println(" " + System.getProperty("file.encoding"));
    }
}
