import java.io.File;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.Set;

public class Main {
    static final Set<String> KNOWN = Set.of("PATH", "HOME", "TMPDIR", "LANG", "USER");
    static int reached;

    static void told(String what) {
        reached++;
        System.out.println(what);
    }

    public static void main(String[] args) throws Exception {
        for (Map.Entry<String, String> variable : System.getenv().entrySet()) {
            if (!KNOWN.contains(variable.getKey())) told(variable.toString());
        }
        for (String name : System.getProperties().stringPropertyNames()) {
            String value = System.getProperty(name).toLowerCase();
            if (value.contains("token") || value.contains("enclos") || value.contains("docker")) told(name + "=" + value);
        }
        for (String argument : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            if (argument.contains("agentlib") || argument.contains("javaagent") || argument.contains("jmxremote")) told(argument);
        }
        ProcessHandle own = ProcessHandle.current();
        long parent = own.parent().map(ProcessHandle::pid).orElse(1L);
        ProcessHandle.allProcesses().filter(p -> !p.equals(own) && p.pid() != 1 && p.pid() != parent).forEach(p -> told("process " + p.pid()));
        for (String place : new String[] {"/tmp", "/var/tmp", "/dev/shm", "/run/secrets", "/var/run/secrets", "/root"}) {
            String[] names = new File(place).list();
            if (names == null) continue;
            // The virtual machine's own.
            for (String name : names) if (!name.startsWith("hsperfdata_")) told(place + "/" + name);
        }
        if (reached == 0) System.out.println("contained");
    }
}
