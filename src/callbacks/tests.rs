//! Deliveries to receivers of this process, friendly and hostile, over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enclos_protocol::ids::JobId;
use enclos_protocol::job::JobInput;
use enclos_protocol::outcome::Outcome;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::post::Addresses;
use super::*;
use crate::metrics::Metrics;
use crate::outbound::Policy;
use crate::scoring::Scoring;
use crate::store::{
    CallbackFilter, CallbackProblem, CallbackRecord, Ending, Finish, NewJob, Outputs, Part, Store, Turn, UnixTime,
};
use crate::testing;

/// Longest that anything may take here; only a failure ever waits so long.
const LONG: Duration = Duration::from_secs(60);
const TENANT: &str = "t";

/// What came to a receiver: its head and its body.
type Request = (String, Vec<u8>);

/// Answers each connection with the same bytes.
struct Receiver {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Request>,
    connections: Arc<Mutex<usize>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    async fn answering(answer: impl Into<String>) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, answer.into()).await
    }

    async fn at(address: Ipv4Addr, answer: String) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::unbounded_channel();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let (counted, mut tasks) = (Arc::clone(&connections), JoinSet::new());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                if let Some(request) = served(stream, &answer).await {
                    let _ = seen.send(request);
                }
            }
        });
        Self { address, requests, connections, _tasks: tasks }
    }

    async fn request(&mut self) -> Request {
        timeout(LONG, self.requests.recv()).await.expect("something comes").unwrap()
    }

    fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// Reads one request whole and answers it; without an answer the connection is only held.
async fn served(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> Option<Request> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap().to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).map(str::to_owned);
            break (head, length.map_or(0, |length| length.parse::<usize>().unwrap()));
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    if answer.is_empty() {
        let _ = stream.read_buf(&mut Vec::new()).await;
    } else {
        // Who has read enough closes before the end.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
    Some((head, bytes))
}

fn status(code: u16) -> String {
    format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// Answers each question with the next list, the last again and again.
#[derive(Debug)]
struct Scripted(Mutex<(usize, Vec<Vec<IpAddr>>)>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|all| all.iter().map(|a| a.parse().unwrap()).collect()).collect();
        Arc::new(Self(Mutex::new((0, answers))))
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().0
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Addresses {
        let mut state = self.0.lock().unwrap();
        let answer = state.1[state.0.min(state.1.len() - 1)].clone();
        state.0 += 1;
        Box::pin(async move { Ok(answer) })
    }
}

/// A store and a deliverer over it.
struct Desk {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    dir: TempDir,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Desk {
    fn new(allow: &[&str], resolver: Arc<dyn Resolve>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let metrics: Arc<Metrics> = Arc::default();
        let store = Arc::new(Store::open(dir.path(), Arc::clone(&metrics)).unwrap().store);
        let policy = Policy { allow: allow.iter().map(|entry| entry.parse().unwrap()).collect() };
        let parts = Parts {
            store: Arc::clone(&store),
            post: Post::new(policy, None, resolver).unwrap(),
            key: SealingKey::open(dir.path()).unwrap(),
            metrics: Arc::clone(&metrics),
        };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(Deliverer::new(parts).run(stop.clone()));
        Self { store, metrics, dir, stop, tasks }
    }

    /// Ends a job whose end is to be told there.
    async fn end_job(&self, url: &str) -> JobId {
        let job = JobId::generate();
        let input = JobInput { files: vec![], stdin: Vec::new().into(), companion: vec![] };
        let new = NewJob {
            id: job,
            spec: testing::spec(0, 1 << 20).into(),
            input,
            cases: vec![],
            blobs: vec![],
            scoring: Scoring::default(),
            compile_key: None,
            turn: Turn::default(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            created: UnixTime::now(),
            idempotency: None,
            callback: Some(url.to_owned()),
        };
        self.store.admit(new).await.unwrap();
        let mut report = testing::report(Outcome::Ok);
        report.run = Some(testing::step());
        let ending = Ending { outcome: Outcome::Ok, message: None, report: Some(report), judged: None };
        let mut outputs = Outputs::default();
        outputs.0[Part::ALL[2].index()] = b"out".to_vec();
        let finished = UnixTime::now();
        let finish =
            Finish { job, attempt: None, attempts: 1, unnoted: None, ending, outputs, cases: vec![], finished };
        self.store.finish(Arc::new(finish)).await.unwrap();
        job
    }

    /// The callbacks that were not delivered, when `held` says so of them.
    async fn when(&self, held: impl Fn(&[CallbackRecord]) -> bool) -> Vec<CallbackRecord> {
        let look = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            loop {
                looks.tick().await;
                let filter = CallbackFilter { tenant: TENANT.to_owned(), state: None, before: None, limit: 200 };
                let listed = self.store.callbacks(filter).await.unwrap().callbacks;
                if held(&listed) {
                    return listed;
                }
            }
        };
        timeout(LONG, look).await.expect("it comes to that")
    }

    /// What was wrong with the first attempt.
    async fn problem(&self, url: &str) -> (CallbackProblem, Option<u16>) {
        let job = self.end_job(url).await;
        let listed = self.when(|all| all.iter().any(|c| c.job == job && c.problem.is_some())).await;
        let callback = listed.into_iter().find(|c| c.job == job).unwrap();
        (callback.problem.unwrap(), callback.status)
    }

    async fn end(mut self) {
        self.stop.cancel();
        timeout(LONG, async { while self.tasks.join_next().await.is_some() {} }).await.expect("it ends");
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("{name}: {head}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_once_and_signed_by_the_tenants_secret() {
    let mut receiver = Receiver::answering(status(204)).await;
    let desk = Desk::new(&["127.0.0.1"], Arc::new(SystemResolver::default()));
    let job = desk.end_job(&format!("http://{}/path?x=1", receiver.address)).await;
    let (head, body) = receiver.request().await;
    assert!(head.starts_with("post /path?x=1 http/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), "application/json");
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["id"], &told["state"]), (&job.to_string().into(), &"finished".into()), "{told:#}");
    assert_eq!((&told["run"]["stdout"], &told["labels"]["k"]), (&"out".into(), &"v".into()), "{told:#}");
    desk.when(|all| all.is_empty()).await;
    let sealed = desk.store.callback_secrets(TENANT.to_owned(), UnixTime::now()).await.unwrap();
    let secret = SealingKey::open(desk.dir.path()).unwrap().unseal(TENANT, &sealed[0]).unwrap();
    let timestamp = header(&head, "webhook-timestamp").parse().unwrap();
    let expected = sign(&[secret], header(&head, "webhook-id"), timestamp, &body);
    assert_eq!(header(&head, "webhook-signature"), expected.to_lowercase(), "the head was read in lower case");
    assert!((UnixTime::now().0 / 1_000_000 - timestamp).abs() < 120);
    assert_eq!((desk.metrics.callbacks_delivered.value(), receiver.connections()), (1, 1));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_it_by_the_same_id_when_it_is_up() {
    let desk = Desk::new(&["127.0.0.0/8"], Arc::new(SystemResolver::default()));
    let gone = Receiver::answering("").await.address;
    assert_eq!(desk.problem(&format!("http://{gone}/")).await, (CallbackProblem::Unreachable, None));
    let id = desk.when(|all| all.len() == 1).await[0].job;
    let listener = TcpListener::bind(gone).await.unwrap();
    desk.store.retry_callback(TENANT.to_owned(), id, UnixTime::now()).await.unwrap().unwrap();
    let (stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let (head, _) = served(stream, &status(200)).await.unwrap();
    assert_eq!(header(&head, "webhook-id"), id.to_string());
    desk.when(|all| all.is_empty()).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inner = Receiver::answering(status(200)).await;
    for code in [301, 302, 303, 307, 308] {
        let to = [format!("http://{}/", inner.address), "http://169.254.169.254/latest/meta-data/".to_owned()];
        for to in to {
            let answer = format!("HTTP/1.1 {code} x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            let outer = Receiver::answering(answer).await;
            let desk = Desk::new(&["127.0.0.0/8"], Arc::new(SystemResolver::default()));
            let problem = desk.problem(&format!("http://{}/", outer.address)).await;
            assert_eq!((problem, outer.connections()), ((CallbackProblem::Status, Some(code)), 1));
            desk.end().await;
        }
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_url_reaches_this_machine_though_it_was_admitted_by_another_rule() {
    let listener = Receiver::answering(status(200)).await;
    let port = listener.address.port();
    let loopback =
        ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "64:ff9b::7f00:1"];
    for address in loopback {
        let beside_public = Desk::new(&[], Scripted::new(&[&["8.8.8.8", address]]));
        let problem = beside_public.problem(&format!("https://rebind.example:{port}/")).await;
        assert_eq!(problem, (CallbackProblem::NotAllowed, None), "{address} beside a public one");
        beside_public.end().await;
    }
    let desk = Desk::new(&["other.example", "127.0.0.1:1"], Arc::new(SystemResolver::default()));
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "%31%32%37.0.0.1",
        "localhost",
        "ip6-localhost",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let (problem, status) = desk.problem(&format!("{scheme}://{host}:{port}/")).await;
            let is_refused = matches!(problem, CallbackProblem::NotAllowed | CallbackProblem::Unresolved);
            assert!(is_refused && status.is_none(), "{scheme}://{host}: {problem:?}");
        }
    }
    for url in ["https://good.example@127.0.0.1:PORT/", "https://localhost.:PORT/", "http:\\\\127.0.0.1:PORT/", "x"] {
        let problem = desk.problem(&url.replace("PORT", &port.to_string())).await;
        assert_eq!(problem, (CallbackProblem::NotAllowed, None), "{url}");
    }
    assert_eq!(listener.connections(), 0, "not even a connection");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_once_and_what_was_checked_is_what_is_connected_to() {
    // On another address of this machine, which the operator allows, and on one which they do not.
    let allowed = Receiver::at(Ipv4Addr::new(127, 0, 0, 2), status(200)).await;
    let port = allowed.address.port();
    let inner = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let desk = Desk::new(&["127.0.0.2/32"], Arc::clone(&resolver) as Arc<dyn Resolve>);
    // Over TLS: plain http needs the name itself on the list. What listens there speaks none.
    let first = desk.problem(&format!("https://rebind.example:{port}/")).await;
    assert_ne!(first.0, CallbackProblem::NotAllowed);
    assert_eq!((allowed.connections(), resolver.asked()), (1, 1), "asked once, connected to what was said then");
    let second = desk.problem(&format!("https://rebind.example:{port}/")).await;
    assert_eq!((second, resolver.asked()), ((CallbackProblem::NotAllowed, None), 2));
    assert_eq!(allowed.connections(), 1);
    assert!(timeout(Duration::ZERO, inner.accept()).await.is_err(), "nobody has come");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_too_many_addresses_or_none_is_not_connected_to() {
    let many: Vec<String> = (1..=33).map(|n| format!("8.8.8.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (answer, problem) in [(&many[..], CallbackProblem::NotAllowed), (&[], CallbackProblem::Unresolved)] {
        let desk = Desk::new(&[], Scripted::new(&[answer]));
        assert_eq!(desk.problem("https://many.example/").await, (problem, None));
        desk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_read_to_its_bound_and_what_is_no_http_is_none() {
    let endless = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n{}", u64::MAX >> 1, "x".repeat(1 << 20));
    let receiver = Receiver::answering(endless).await;
    let desk = Desk::new(&["127.0.0.1"], Arc::new(SystemResolver::default()));
    desk.end_job(&format!("http://{}/", receiver.address)).await;
    desk.when(|all| all.is_empty()).await;
    let other = Receiver::answering("220 mail.example ESMTP\r\n").await;
    assert_eq!(desk.problem(&format!("http://{}/", other.address)).await, (CallbackProblem::BrokenOff, None));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_nothing_is_left() {
    let receiver = Receiver::answering("").await;
    let policy = Policy { allow: vec!["127.0.0.1".parse().unwrap()] };
    let post = Post::new(policy, None, Arc::new(SystemResolver::default())).unwrap().within(Duration::from_millis(50));
    let target = format!("http://{}/", receiver.address).parse().unwrap();
    let sending = post.send(&target, reqwest::header::HeaderMap::new(), b"{}".to_vec());
    let sent = timeout(LONG, sending).await.expect("it is bounded");
    assert_eq!(sent, Err(CallbackProblem::TimedOut));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_proves_who_it_is_by_this_hosts_authorities_or_the_operators() {
    let made = rcgen::generate_simple_self_signed(vec!["hooks.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = rustls::ServerConfig::builder_with_provider(enclos_tls::provider());
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(server.with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                served(stream, &status(200)).await;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let send = async |host: &str, ca: Option<&Path>| {
        let policy = Policy { allow: vec![host.parse().unwrap()] };
        let post = Post::new(policy, ca, Scripted::new(&[&["127.0.0.1"]])).unwrap();
        let target = format!("https://{host}:{port}/").parse().unwrap();
        post.send(&target, reqwest::header::HeaderMap::new(), b"{}".to_vec()).await.map(|answer| answer.status)
    };
    assert_eq!(send("hooks.example", None).await, Err(CallbackProblem::Untrusted));
    assert_eq!(send("hooks.example", Some(&ca)).await, Ok(200));
    assert_eq!(send("other.example", Some(&ca)).await, Err(CallbackProblem::Untrusted), "another's name");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nothing_is_sent_unsigned() {
    let receiver = Receiver::answering(status(200)).await;
    let desk = Desk::new(&["127.0.0.1"], Arc::new(SystemResolver::default()));
    let of_another = tempfile::tempdir().unwrap();
    let sealed = another_key(of_another.path()).seal(TENANT, &CallbackSecret::generate()).unwrap();
    desk.store.add_first_callback_secret(TENANT.to_owned(), sealed, UnixTime::now()).await.unwrap();
    assert_eq!(desk.problem(&format!("http://{}/", receiver.address)).await, (CallbackProblem::NoSecret, None));
    assert_eq!(receiver.connections(), 0);
    desk.end().await;
}

fn another_key(dir: &Path) -> SealingKey {
    SealingKey::open(dir).unwrap()
}
