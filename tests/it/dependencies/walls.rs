//! What an installer can reach, seen by one that tries: a language whose installer is the test's own.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::cluster::Cluster;

use super::index::Index;
use super::{end, job};

/// Stands where pip would. Tells on standard error what it found, and installs nothing.
const PROBE: &str = r#"
import errno, os, socket, sys
index, directory, master = sys.argv[1:4]

def tell(what, result):
    print(what, result, file=sys.stderr)

def tried(what, attempt):
    try:
        tell(what, attempt())
    except OSError as error:
        tell(what, errno.errorcode.get(error.errno, type(error).__name__))

def connect(host, port):
    socket.create_connection((host, port), timeout=5).close()
    return "CONNECTED"

def proxied(request):
    with socket.create_connection(("127.0.0.1", 3128), timeout=30) as proxy:
        proxy.sendall(request.encode())
        answer = b""
        while chunk := proxy.recv(4096):
            answer += chunk
    return answer.split(b"\r\n")[0].decode()

tell("interfaces", sorted(os.listdir("/sys/class/net")))
tell("user", os.getuid() not in (0, 1000))
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
tell("capabilities", [status[n].strip().strip("0") for n in ("CapEff", "CapPrm", "CapInh", "CapAmb")])
tell("filter", (status["Seccomp"].strip(), status["NoNewPrivs"].strip()))
tell("environment", sorted(os.environ))
for host, port in [("1.1.1.1", 443), ("169.254.169.254", 80), ("172.17.0.1", int(master)), ("127.0.0.1", int(master)), ("127.0.0.1", 2375)]:
    tried(f"connect {host}" + (" master" if port == int(master) else f" {port}"), lambda: connect(host, port))
tried("resolve", lambda: socket.getaddrinfo("pypi.org", 443) and "RESOLVED")
for family in (socket.AF_NETLINK, socket.AF_PACKET, getattr(socket, "AF_VSOCK", 40)):
    tried(f"socket {family.name}", lambda: socket.socket(family, socket.SOCK_RAW) and "MADE")
for target in ["pypi.org:443", f"127.0.0.1:{master}", "127.0.0.1:22", "169.254.169.254:80", "localhost:443", "[::1]:443"]:
    shown = target.replace(master, "MASTER")
    tried(f"tunnel {shown}", lambda: proxied(f"CONNECT {target} HTTP/1.1\r\n\r\n"))
tried("fetch master", lambda: proxied(f"GET http://127.0.0.1:{master}/v1/jobs HTTP/1.1\r\n\r\n"))
tried("post index", lambda: proxied(f"POST {index}x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"))
tried("fetch index", lambda: proxied(f"GET {index}absent/ HTTP/1.1\r\nHost: evil\r\n\r\n"))
for path in ["/etc/x", "/usr/lib/python3/dist-packages/x", "/enclos/x", "/tmp/x", "/job/x"]:
    tried(f"write {path}", lambda: open(path, "w") and "WRITTEN")
for path in ["/var/run/docker.sock", "/proc/1/environ", "/proc/1/mem", "/proc/1/root"]:
    tried(f"open {path}", lambda: os.open(path, os.O_RDONLY) and "OPENED")
tried("kill builder", lambda: os.kill(1, 9) or "KILLED")
print("problem it was a probe")
sys.exit(1)
"#;

const FOUND: &str = "\
interfaces ['lo']
user True
capabilities ['', '', '', '']
filter ('2', '1')
environment ['HOME', 'HTTPS_PROXY', 'HTTP_PROXY', 'LANG', 'PATH', 'SSL_CERT_FILE', 'TMPDIR', 'USER', 'http_proxy', 'https_proxy']
connect 1.1.1.1 443 ENETUNREACH
connect 169.254.169.254 80 ENETUNREACH
connect 172.17.0.1 master ENETUNREACH
connect 127.0.0.1 master ECONNREFUSED
connect 127.0.0.1 2375 ECONNREFUSED
resolve gaierror
socket AF_NETLINK EAFNOSUPPORT
socket AF_PACKET EAFNOSUPPORT
socket AF_VSOCK EAFNOSUPPORT
tunnel pypi.org:443 HTTP/1.1 403 Forbidden
tunnel 127.0.0.1:MASTER HTTP/1.1 403 Forbidden
tunnel 127.0.0.1:22 HTTP/1.1 403 Forbidden
tunnel 169.254.169.254:80 HTTP/1.1 403 Forbidden
tunnel localhost:443 HTTP/1.1 403 Forbidden
tunnel [::1]:443 HTTP/1.1 403 Forbidden
fetch master HTTP/1.1 403 Forbidden
post index HTTP/1.1 400 Bad Request
fetch index HTTP/1.1 404 Not Found
write /etc/x EROFS
write /usr/lib/python3/dist-packages/x EROFS
write /enclos/x EROFS
write /tmp/x EROFS
write /job/x WRITTEN
open /var/run/docker.sock ENOENT
open /proc/1/environ EACCES
open /proc/1/mem EACCES
open /proc/1/root EACCES
kill builder EPERM
";

/// The image folders of this repository, with the probe in the place of Python's installer. What an
/// image is made of stays the same, so nothing is built.
fn images_with_probe(root: &Path, master: &str) -> std::io::Result<()> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    for folder in ["base", "python"] {
        fs::create_dir(root.join(folder))?;
        for file in fs::read_dir(ours.join(folder))? {
            let file = file?;
            // Programs that try it are no part of it.
            if file.file_type()?.is_dir() {
                continue;
            }
            fs::copy(file.path(), root.join(folder).join(file.file_name()))?;
        }
    }
    let file = root.join("python/language.toml");
    let text = fs::read_to_string(&file)?;
    // By the environment: in a command its braces would be placeholders. A JSON text is one of TOML, too.
    let run = "import os; exec(os.environ.pop('PROBE'))";
    let command = json!(["python3", "-I", "-c", run, "{index}", "{directory}", master, "{requirements}"]);
    let lines = text.lines().map(|line| match line.strip_prefix("command = ") {
        Some(_) => format!("command = {command}\nenv.PROBE = {}\n", json!(PROBE)),
        None => format!("{line}\n"),
    });
    let changed: String = lines.collect();
    assert!(changed.contains("env.PROBE"), "{text}");
    fs::write(file, changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_reaches_its_index_and_nothing_else() {
    let index = Index::of(&[]).await;
    let images = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::master_only().await;
    let port = cluster.url.rsplit(':').next().unwrap().to_owned();
    images_with_probe(images.path(), &port).unwrap();
    let (dir, flag) = (images.path().display().to_string(), index.flag());
    let args = ["--slots", "1", "--languages", "python", "--warm", "0", "--images-dir", &dir, &flag];
    cluster.start_agent(&args).await;
    let job = cluster.run(&job("print(1)", &["anything"])).await;
    assert_eq!(job["outcome"], "compile_error", "{job:#}\n{}", cluster.logs());
    assert!(job["message"].as_str().unwrap().contains("it was a probe"), "{job:#}");
    assert_eq!(job["compile"]["stderr"].as_str().unwrap(), FOUND, "{job:#}");
    assert_eq!(index.asked("/simple/absent/"), 1, "the one thing that it may do");
    end(cluster).await;
}
