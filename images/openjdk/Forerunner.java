// javac that has started before there is a job: it compiles a small program to warm up, says
// that it is ready, waits for the command line of the step, and then does what javac does with it.
//
// The command line comes on standard input, with a NUL byte after each argument, to its end. What
// javac's launcher takes for itself (-J…) was settled when this program was started.

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

final class Forerunner {
    private static final String SOURCE = "/usr/lib/enclos/Warm.java";

    public static void main(String[] arguments) throws Exception {
        // As javac's launcher has it: otherwise the class path of this program would be that of the job.
        System.setProperty("application.home", System.getProperty("java.home"));
        warm();
        new FileOutputStream(FileDescriptor.in).write('r');
        String line = new String(new FileInputStream(FileDescriptor.in).readAllBytes(), StandardCharsets.UTF_8);
        List<String> words = new ArrayList<>(List.of(line.split("\0", -1)));
        words.removeLast();
        words.removeFirst();
        while (!words.isEmpty() && words.getFirst().startsWith("-J")) words.removeFirst();
        com.sun.tools.javac.Main.main(words.toArray(String[]::new));
    }

    private static void warm() throws Exception {
        Path to = Files.createDirectory(Path.of("/tmp/warm"));
        String[] arguments = {"-encoding", "UTF-8", "-d", to.toString(), SOURCE};
        int code = com.sun.tools.javac.Main.compile(arguments, new PrintWriter(Writer.nullWriter()));
        try (var made = Files.list(to)) {
            for (Path file : (Iterable<Path>) made::iterator) Files.delete(file);
        }
        Files.delete(to);
        // One that is not as it should be is not ready.
        if (code != 0) System.exit(code);
    }
}
