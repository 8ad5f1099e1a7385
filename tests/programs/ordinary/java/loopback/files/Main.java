import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

public class Main {
    public static void main(String[] args) throws Exception {
        try (var server = new ServerSocket(0, 8, InetAddress.getByName("127.0.0.1"))) {
            var thread = new Thread(() -> serve(server));
            thread.start();
            try (var socket = new Socket("127.0.0.1", server.getLocalPort())) {
                var out = new PrintWriter(socket.getOutputStream(), true);
                var in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
                for (int n = 1; n <= 5; n++) {
                    out.println(n * 11);
                    System.out.println(in.readLine());
                }
            }
            thread.join();
        }
    }

    private static void serve(ServerSocket server) {
        try (var socket = server.accept()) {
            var out = new PrintWriter(socket.getOutputStream(), true);
            var in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            for (String line; (line = in.readLine()) != null; ) out.println(line + " squared is " + Long.parseLong(line) * Long.parseLong(line));
        } catch (Exception broken) {
            System.out.println("server: " + broken);
        }
    }
}
