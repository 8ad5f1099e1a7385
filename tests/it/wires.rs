//! The socket of a sandbox: jobs over it and without it, and that no program gets anything from it.

use serde_json::json;

use crate::cluster::{Cluster, source};

/// What a program is told that looks for the agent's socket, by its name and by all that listens.
const LOOK_FOR_IT: &str = r#"
import os, socket
def attempt(path):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        return "connected"
    except OSError as error:
        return os.strerror(error.errno)
print(os.listdir("/enclos") if os.access("/enclos", os.R_OK) else "closed")
print(attempt("/enclos/wire"))
print([attempt(line.split()[7]) for line in open("/proc/net/unix").readlines()[1:] if len(line.split()) > 7])
"#;

/// An agent that finds no socket to work removes its directory.
fn has_directory(cluster: &Cluster) -> bool {
    let prefix = format!("{}@", cluster.agents[0].name);
    let entries = std::fs::read_dir("/run/enclos/sandboxes").into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespaced_cell_has_no_path_to_the_agents_socket() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let job = cluster.run(&source("python", LOOK_FOR_IT)).await;
    assert_eq!(job["run"]["stdout"], "[]\nNo such file or directory\n[]\n", "{job:#}");
    assert!(has_directory(&cluster), "jobs go over sockets here");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_cell_finds_no_socket_of_the_agents() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--cells", "plain"]]).await;
    let job = cluster.run(&source("python", LOOK_FOR_IT)).await;
    let stdout = job["run"]["stdout"].as_str().expect("it prints");
    let [_, by_name, of_all] = stdout.lines().collect::<Vec<_>>()[..] else { panic!("three lines: {job:#}") };
    assert_eq!((by_name, of_all), ("No such file or directory", "[]"), "{job:#}");
    cluster.shutdown().await;
}

/// As with an engine that does not see the directory, which a probe with the fake one finds out.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_for_sockets_jobs_go_by_way_of_the_engine() {
    let flags = ["--slots", "1", "--languages", "c,python", "--run-dir", "/proc/none"];
    let cluster = Cluster::with_agents(&[&flags]).await;
    for _ in 0..2 {
        let job = cluster.run(&source("python", "print('heard')")).await;
        assert_eq!(job["run"]["stdout"], "heard\n", "{job:#}");
    }
    let large = "/".repeat(200_000);
    let submission = json!({
        "language": "c",
        "source": format!("/{large}\nint main(void) {{ for (int i = 0; i < 100000; i++) putchar('x'); }}"),
        "compile": { "args": ["-include", "stdio.h"] },
    });
    let job = cluster.run(&submission).await;
    assert_eq!(job["run"]["stdout_bytes"], 100_000, "{job:#}");
    cluster.shutdown().await;
}
