//! What somebody on the way reads: the agent's traffic, byte by byte.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{SMALL, agent_name};
use crate::cluster::{Cluster, TOKEN};

/// Bytes of the input: too many for the dispatch, so the agent fetches them.
const INPUT_BYTES: usize = 300_000;

/// Passes bytes on between agent and master, and keeps all of them.
struct Relay {
    url: String,
    seen: Arc<Mutex<Vec<u8>>>,
    _running: JoinSet<()>,
}

impl Relay {
    async fn new(link: &str) -> Self {
        let (scheme, master) = link.split_once("://").expect("it is a URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("it is bound"));
        let (seen, mut running) = (Arc::<Mutex<Vec<u8>>>::default(), JoinSet::new());
        let (master, keep) = (master.to_owned(), Arc::clone(&seen));
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((agent, _)) = listener.accept().await {
                let (from, to) = agent.into_split();
                let Ok(other) = TcpStream::connect(&master).await else { continue };
                let (back, forth) = other.into_split();
                connections.spawn(pass(from, forth, Arc::clone(&keep)));
                connections.spawn(pass(back, to, Arc::clone(&keep)));
            }
        });
        Self { url, seen, _running: running }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    keep: Arc<Mutex<Vec<u8>>>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        keep.lock().expect("nobody panicked with it").extend_from_slice(&bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// What does not depend on the mask that WebSocket puts on an agent's bytes: its four bytes repeat.
fn unmasked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().zip(&bytes[4..]).map(|(byte, later)| byte ^ later).collect()
}

/// What (source, input, output, the token, the agent's name) is read on the way in one job.
async fn read_on_the_way(mut cluster: Cluster, token: String) -> Vec<&'static str> {
    let relay = Relay::new(&cluster.link_url()).await;
    let name = agent_name("wire");
    cluster.start_agent_at(&relay.url, &name, &token, &SMALL).await;
    let id = hex::encode(rand::random::<[u8; 12]>());
    let (source, output) = (format!("source-{id}"), format!("output-{}", id.to_uppercase()));
    let input = format!("input-{id}").repeat(INPUT_BYTES / 30);
    // The output does not stand in the source: it is computed.
    let program =
        format!("import sys\n# {source}\nread = sys.stdin.read()\nprint('output-' + '{id}'.upper(), len(read))");
    let job = cluster.run(&json!({ "language": "python", "source": program, "stdin": input })).await;
    assert_eq!(job["run"]["stdout"], format!("{output} {}\n", input.len()), "{job:#}\n{}", cluster.logs());
    assert_eq!(job["agent"], name.as_str());
    cluster.shutdown().await;
    let seen = relay.seen.lock().expect("nobody panicked with it").clone();
    assert!(seen.len() > INPUT_BYTES, "all of it has passed here: {} bytes", seen.len());
    let secret = token.split('.').nth(1).unwrap_or(&token).to_owned();
    let raw = hex::decode(&secret).unwrap_or_else(|_| secret.clone().into_bytes());
    let input = format!("input-{id}");
    let needles: [(&str, &[u8]); 6] = [
        ("source", source.as_bytes()),
        ("input", input.as_bytes()),
        ("output", output.as_bytes()),
        ("token", secret.as_bytes()),
        ("token", &raw),
        ("name", name.as_bytes()),
    ];
    let masked = unmasked(&seen);
    let among = |needle: &[u8], bytes: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
    let holds = |needle: &[u8]| among(needle, &seen) || among(&unmasked(needle), &masked);
    let mut found: Vec<_> = needles.iter().filter(|(_, needle)| holds(needle)).map(|(what, _)| *what).collect();
    found.dedup();
    found
}

#[tokio::test]
async fn who_reads_the_agents_traffic_reads_no_program_no_output_and_no_token() {
    let cluster = Cluster::secured(&[]).await;
    let token = cluster.operate(&["agents", "token"], &[]).await;
    assert_eq!(read_on_the_way(cluster, token).await, Vec::<&str>::new());
    // Without TLS, on loopback, the same look finds all of it: it looks where it should.
    let clear = read_on_the_way(Cluster::master_only().await, TOKEN.to_owned()).await;
    assert_eq!(clear, ["source", "input", "output", "token", "name"]);
}
