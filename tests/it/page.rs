//! The page, sessions and what is told to who looks on: a real master, real agents, a real terminal.

use std::io::Read as _;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::cluster::{Cluster, JOB_WAIT, look_until, program};
use crate::host::resident_bytes;
use crate::keys::Keyed;

/// Longest from a change until it is told; a second is promised, and this machine may be busy.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// Watchers that never read.
const DEAF: usize = 32;
/// Events that a watcher who reads is to see while the others do not.
const EVENTS_SEEN: usize = 8;
/// What the master may gain meanwhile, in bytes: far less than a backlog for each would be.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// What a failed test shows of a terminal, in characters.
const SHOWN_CHARS_MAX: usize = 8000;

/// An open stream of events.
struct Stream {
    pieces: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
}

impl Stream {
    async fn open(cluster: &Cluster, path: &str) -> Self {
        let response = cluster.http.get(format!("{}{path}", cluster.url)).send().await.expect("it answers");
        assert_eq!(response.status(), 200);
        let pieces = response.bytes_stream().map(|piece| piece.map(Vec::from)).boxed();
        Self { pieces, text: String::new() }
    }

    /// The first event of this kind that is so, with its id; `None`: the stream ended.
    async fn until(&mut self, kind: &str, is_so: impl Fn(&Value) -> bool) -> Option<(u64, Value)> {
        let reading = async {
            loop {
                while let Some(end) = self.text.find("\n\n") {
                    let block: String = self.text.drain(..end + 2).collect();
                    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                    let data: Value = serde_json::from_str(field("data: ")?).expect("data is JSON");
                    if field("event: ") == Some(kind) && is_so(&data) {
                        return Some((field("id: ").and_then(|id| id.parse().ok()).unwrap_or(0), data));
                    }
                }
                self.text.push_str(std::str::from_utf8(&self.pieces.next().await?.ok()?).expect("it is text"));
            }
        };
        timeout(JOB_WAIT, reading).await.expect("it is told")
    }
}

fn sleeper() -> Value {
    json!({ "language": "python", "source": "import time; time.sleep(3); print('done')" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_all_that_it_names_come_with_the_headers_that_guard_it() {
    let cluster = Cluster::master_only().await;
    let get = async |path: &str, accepts: &str| {
        let request = cluster.http.get(format!("{}{path}", cluster.url)).header("accept-encoding", accepts);
        request.send().await.expect("it answers")
    };
    let page = get("/", "identity").await;
    let headers = page.headers().clone();
    assert_eq!(
        (page.status().as_u16(), &headers["cache-control"], &headers["x-content-type-options"]),
        (200, &"no-cache".parse().unwrap(), &"nosniff".parse().unwrap())
    );
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("-inline"), "{policy}");
    let page = page.text().await.unwrap();
    for asset in page.split(['"', '\'']).filter(|part| part.starts_with("/assets/")) {
        let plain = get(asset, "identity").await;
        assert_eq!(plain.headers()["cache-control"], "public, max-age=31536000, immutable", "{asset}");
        let bytes = plain.bytes().await.unwrap();
        let packed = get(asset, "br, gzip").await;
        assert_eq!(packed.headers()["vary"], "accept-encoding");
        let etag = packed.headers()["etag"].clone();
        let is_packed = packed.headers().contains_key("content-encoding");
        let packed = packed.bytes().await.unwrap();
        assert!(packed.len() < bytes.len() || !is_packed, "{asset}");
        let again = cluster.http.get(format!("{}{asset}", cluster.url)).header("accept-encoding", "br, gzip");
        let again = again.header("if-none-match", etag).send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.bytes().await.unwrap().len()), (304, 0), "{asset}");
    }
    let foreign = cluster.http.get(&cluster.url).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421, "the page is for its own hosts, too");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_in_stands_in_no_log_and_over_tls_the_cookie_is_for_tls_alone() {
    let keyed = Keyed(Cluster::secured(&[]).await);
    let secret = keyed.key("acme", "submit,read").await;
    let cluster = keyed.0;
    let sign_in = async |key: &str| {
        let request = cluster.http.post(format!("{}/v1/session", cluster.url)).json(&json!({ "key": key }));
        request.send().await.expect("it answers")
    };
    let wrong = secret.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(sign_in(&wrong).await.status(), 401);
    let response = sign_in(&secret).await;
    let set = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.starts_with("__Host-enclos_session=") && set.contains("; Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let asked = cluster.http.get(format!("{}/v1/jobs", cluster.url)).header("cookie", cookie);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let weak = cookie.replace("__Host-", "");
    let asked = cluster.http.get(format!("{}/v1/jobs", cluster.url)).header("cookie", weak);
    assert_eq!(asked.send().await.unwrap().status(), 401, "another host could have set that one");
    let id = cookie.split_once('=').unwrap().1;
    let mut said = cluster.whole_log();
    for book in ["audit.jsonl", "audit-jobs.jsonl"] {
        said += &std::fs::read_to_string(cluster.store.join(book)).unwrap_or_default();
    }
    for secret in [secret.as_str(), wrong.as_str(), id] {
        assert!(!said.contains(secret), "a secret is written down");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_soon_and_again_after_a_restart() {
    let mut cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let mut stream = Stream::open(&cluster, "/v1/stats/events").await;
    let (first, told) = stream.until("stats", |_| true).await.expect("the first comes at once");
    assert_eq!(told["agents_detail"][0]["name"], cluster.agents[0].name.as_str());
    let mut jobs = Stream::open(&cluster, "/v1/jobs/events").await;
    let ids = [cluster.submit(&sleeper()).await, cluster.submit(&sleeper()).await];
    let submitted = Instant::now();
    stream.until("stats", |told| told["queued"] == 1 && told["running"] == 1).await.expect("one runs, one waits");
    assert!(submitted.elapsed() < TOLD_WITHIN, "{:?}", submitted.elapsed());
    for id in &ids {
        jobs.until("job", |job| job["id"] == id.as_str() && job["state"] == "finished").await.expect("it ends");
    }
    let both = |told: &Value| told["finished"] == 2 && told["outcomes"]["ok"] == 2;
    stream.until("stats", both).await.expect("both have ended");

    cluster.kill_master().await;
    assert!(stream.until("stats", |_| false).await.is_none(), "the stream ends with its master");
    cluster.start_master().await;
    let mut again = Stream::open(&cluster, "/v1/stats/events").await;
    let (id, _) = again.until("stats", |told| told["finished"] == 2).await.expect("what ended stays so");
    assert!(id > first, "ids count up over a restart");
    again.until("stats", |told| told["agents"] == 1).await.expect("the agent comes back");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_do_not_read_cost_the_master_nothing_that_grows() {
    let cluster = Cluster::master_only().await;
    let address = cluster.url.trim_start_matches("http://").to_owned();
    let mut deaf = Vec::new();
    for n in 0..DEAF {
        let path = if n % 2 == 0 { "/v1/stats/events" } else { "/v1/jobs/events" };
        let mut connection = TcpStream::connect(&address).await.expect("it connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("it is sent");
        deaf.push(connection);
    }
    let mut stream = Stream::open(&cluster, "/v1/stats/events").await;
    stream.until("stats", |_| true).await.expect("who reads is told");
    let before = resident_bytes(cluster.master_pid());
    assert!(before > 0, "the master lives");
    let mut queued = 0;
    for _ in 0..EVENTS_SEEN {
        for _ in 0..20 {
            cluster.submit(&sleeper()).await;
            queued += 1;
        }
        stream.until("stats", |told| told["queued"] == queued).await.expect("who reads is told all the same");
    }
    let after = resident_bytes(cluster.master_pid());
    assert!(after > 0, "the master lives");
    let grown = after.saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the master grew by {grown} bytes");
    drop(deaf);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_shows_the_cluster_once_where_its_output_is_no_terminal() {
    let cluster = Cluster::master_only().await;
    cluster.submit(&sleeper()).await;
    let output = tokio::process::Command::new(program("enclos")).args(["top", "--url", &cluster.url]).output().await;
    let output = output.expect("it starts");
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(output.status.success() && text.starts_with("jobs      1 queued, 0 running"), "{text}");
    assert!(text.contains("python") && !text.contains('\x1b'), "{text}");
    cluster.shutdown().await;
}

/// What a terminal shows is followed by a thread; what it comes to is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn top_in_a_terminal_shows_agents_drains_one_and_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let size = nix::pty::Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = nix::pty::openpty(Some(&size), None).expect("a terminal can be made");
    let side = || std::process::Stdio::from(pty.slave.try_clone().expect("it can be shared"));
    let mut top = tokio::process::Command::new(program("enclos"))
        .args(["top", "--url", &cluster.url])
        .env("TERM", "xterm-256color")
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    drop(pty.slave);
    let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let mut reader = std::fs::File::from(pty.master.try_clone().expect("it can be shared"));
    let follower = std::thread::spawn({
        let shown = std::sync::Arc::clone(&shown);
        move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 {
                    return;
                }
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    });
    let shows = async |what: &str| {
        let found = look_until(JOB_WAIT, || async { shown.lock().unwrap().contains(what).then_some(()) }).await;
        let begin: String = shown.lock().unwrap().chars().take(SHOWN_CHARS_MAX).collect();
        assert!(found.is_some(), "'{what}' is not shown: {begin:?}");
    };
    let press = |keys: &[u8]| {
        use std::io::Write as _;
        let mut keyboard = std::fs::File::from(pty.master.try_clone().expect("it can be shared"));
        keyboard.write_all(keys).expect("a key can be pressed");
    };
    let name = cluster.agents[0].name.clone();
    shows(&name).await;
    shows("connected").await;
    press(b"d");
    shows("Drain").await;
    press(b"y");
    shows("it ends those that it has").await;
    // It has none, so it goes.
    shows("suspect").await;
    press(b"q");
    let ended = timeout(JOB_WAIT, top.wait()).await.expect("it ends").expect("it is waited for");
    assert!(ended.success());
    shows("\x1b[?1049l").await;
    drop(pty.master);
    follower.join().expect("it has read all");
    cluster.shutdown().await;
}
