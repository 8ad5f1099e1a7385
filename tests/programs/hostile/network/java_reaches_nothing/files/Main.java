import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.Collections;

public class Main {
    interface Way {
        void go() throws Exception;
    }

    static int reached;

    static void refused(String name, Way way) {
        try {
            way.go();
        } catch (Exception e) {
            return;
        }
        reached++;
        System.out.println(name);
    }

    static void connect(String host, int port) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), 1000);
        }
    }

    public static void main(String[] args) throws Exception {
        refused("internet", () -> connect("1.1.1.1", 443));
        refused("metadata", () -> connect("169.254.169.254", 80));
        refused("the engine", () -> connect("127.0.0.1", 2375));
        refused("the master", () -> connect("127.0.0.1", 7300));
        refused("a name", () -> InetAddress.getByName("example.org"));
        refused("a URL", () -> URI.create("http://93.184.215.14/").toURL().openStream().close());
        refused("the engine's socket", () -> SocketChannel.open(UnixDomainSocketAddress.of("/var/run/docker.sock")).close());
        refused("a question to a name server", () -> {
            try (DatagramSocket socket = new DatagramSocket()) {
                socket.send(new DatagramPacket(new byte[12], 12, new InetSocketAddress("8.8.8.8", 53)));
            }
        });
        for (NetworkInterface one : Collections.list(NetworkInterface.getNetworkInterfaces())) {
            if (!one.isLoopback()) refused(one.getName(), () -> {});
        }
        if (reached == 0) System.out.println("contained");
    }
}
