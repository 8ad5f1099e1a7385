import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.annotation.processing.SupportedAnnotationTypes;
import javax.annotation.processing.SupportedOptions;
import javax.lang.model.SourceVersion;
import javax.lang.model.element.TypeElement;
import javax.tools.Diagnostic;

/** Runs inside of javac; its class file lies beside it, as a job would bring it. */
@SupportedAnnotationTypes("*")
@SupportedOptions("attack")
public class Attack extends AbstractProcessor {
    @Override
    public SourceVersion getSupportedSourceVersion() {
        return SourceVersion.latest();
    }

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        if (round.processingOver()) {
            return false;
        }
        switch (processingEnv.getOptions().get("attack")) {
            case "burn" -> burn();
            case "exit" -> System.exit(0);
            case "hog" -> hog();
            case "fork" -> fork();
            case "look" -> look();
            default -> throw new IllegalStateException("a processor that fails");
        }
        return false;
    }

    private static void burn() {
        for (int n = 0; n < 3; n++) {
            new Thread(Attack::burn).start();
        }
        while (true) {
            Thread.onSpinWait();
        }
    }

    private static void hog() {
        List<byte[]> all = new ArrayList<>();
        while (true) {
            all.add(new byte[1 << 20]);
        }
    }

    private static void fork() {
        while (true) {
            try {
                new ProcessBuilder("sh", "-c", "trap '' TERM; while :; do sleep 1; done").start();
            } catch (IOException e) {
                // There is no room: try again.
                Thread.onSpinWait();
            }
        }
    }

    private void look() {
        TreeSet<String> found = new TreeSet<>();
        for (String name : System.getenv().keySet()) {
            if (!Set.of("PATH", "HOME", "TMPDIR", "LANG", "USER").contains(name)) {
                found.add("variable " + name);
            }
        }
        for (String path : List.of("/proc/1/environ", "/proc/1/mem", "/etc/shadow", "/var/run/docker.sock")) {
            try (InputStream in = Files.newInputStream(Path.of(path))) {
                if (in.read() >= 0) {
                    found.add("file " + path);
                }
            } catch (IOException e) {
                // As it should be.
                continue;
            }
        }
        for (String host : List.of("169.254.169.254", "10.0.0.1", "172.17.0.1")) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(host, 80), 200);
                found.add("host " + host);
            } catch (IOException e) {
                // As it should be.
                continue;
            }
        }
        processingEnv.getMessager().printMessage(Diagnostic.Kind.ERROR, "found " + found);
    }
}
