import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

public class Main {
    public static void main(String[] args) throws Exception {
        List<String> rows = Files.readAllLines(Path.of("data/table.csv"));
        Path out = Files.createDirectories(Path.of("out/by/name"));
        for (String row : rows.subList(1, rows.size())) {
            String[] cells = row.split(",");
            Files.writeString(out.resolve(cells[0] + ".txt"), cells[1] + "\n" + Integer.parseInt(cells[2]) * 2 + "\n");
        }
        try (var found = Files.walk(Path.of("out"))) {
            for (Path path : found.sorted().toList()) {
                System.out.println(path + (Files.isDirectory(path) ? "/" : " " + Files.readString(path).replace('\n', ' ').strip()));
            }
        }
        Files.move(out.resolve("ada.txt"), Path.of("moved.txt"));
        System.out.println(Files.size(Path.of("moved.txt")) + " " + Path.of("").toAbsolutePath());
    }
}
