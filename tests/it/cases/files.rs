//! Files that jobs give back: only plain ones, only those asked for, and not too many.

use serde_json::{Value, json};

use crate::cluster::Cluster;

const AGENT: &[&str] = &["--slots", "1", "--languages", "python,c"];

async fn run(cluster: &Cluster, code: &str, keep: Value) -> Value {
    cluster.run(&json!({ "language": "python", "source": code, "keep_files": keep })).await
}

fn paths(job: &Value) -> Vec<&str> {
    let files = job["files"].as_array().unwrap_or_else(|| panic!("it lists files: {job:#}"));
    files.iter().map(|f| f["path"].as_str().unwrap_or_default()).collect()
}

async fn bytes(cluster: &Cluster, job: &Value, path: &str) -> (u16, Vec<u8>) {
    let id = job["id"].as_str().expect("a job has an id");
    let answer = cluster
        .http
        .get(format!("{}/v1/jobs/{id}/files/{path}", cluster.url))
        .send()
        .await
        .expect("the master answers");
    (answer.status().as_u16(), answer.bytes().await.expect("the answer is whole").to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_leaves_is_given_back_byte_for_byte() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let code = "import os\nos.makedirs('out/deep')\nopen('out/all.bin', 'wb').write(bytes(range(256)) * 300)\n\
                open('out/deep/é.txt', 'w').write('x')\nopen('out/empty', 'w')\nopen('other', 'w').write('not asked for')\n";
    let job = run(&cluster, code, json!(["out/**", "main.py"])).await;
    let mut found = paths(&job);
    found.sort_unstable();
    assert_eq!(found, ["main.py", "out/all.bin", "out/deep/é.txt", "out/empty"], "{job:#}");
    assert!(job["files_error"].is_null(), "{job:#}");
    let all: Vec<u8> = (0..300).flat_map(|_| 0..=255u8).collect();
    assert_eq!(bytes(&cluster, &job, "out/all.bin").await, (200, all));
    assert_eq!(bytes(&cluster, &job, "out/deep/%C3%A9.txt").await, (200, b"x".to_vec()));
    assert_eq!(bytes(&cluster, &job, "out/empty").await, (200, Vec::new()));
    assert_eq!(bytes(&cluster, &job, "other").await.0, 404);
    let compiled = json!({ "language": "c", "source": "int main(void) { return 3; }", "keep_files": ["main"] });
    let job = cluster.run(&compiled).await;
    assert_eq!(job["outcome"], "runtime_error", "also where it did not end well: {job:#}");
    assert!(bytes(&cluster, &job, "main").await.1.starts_with(b"\x7fELF"));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_plain_files_of_the_job_are_given_back() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let code = "import os, socket\nos.mkdir('d')\nos.symlink('/etc/passwd', 'd/link')\nos.symlink('/etc', 'folder')\n\
                os.symlink('d', 'inside')\nos.mkfifo('d/pipe')\ns = socket.socket(socket.AF_UNIX)\ns.bind('d/socket')\n\
                open('/tmp/outside', 'w').write('x')\nopen('d/plain', 'w').write('y')\n\
                os.link('d/plain', 'd/hard')\nopen('d/sparse', 'w').truncate(1 << 20)\n";
    let job = run(&cluster, code, json!(["**", "folder/passwd", "inside/plain", "d/pipe"])).await;
    let mut found = paths(&job);
    found.sort_unstable();
    assert_eq!(found, ["d/hard", "d/plain", "d/sparse", "main.py"], "{job:#}");
    assert_eq!(job["outcome"], "ok");
    assert_eq!(bytes(&cluster, &job, "d/sparse").await.1.len(), 1 << 20);
    // The pipe and the links cost nothing: the sandbox serves on.
    let next = run(&cluster, "open('a', 'w').write('z')", json!(["a", "d/*"])).await;
    assert_eq!(paths(&next), ["a"], "nothing of the last job: {next:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_and_too_large_files_are_left_out_and_told() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let many = run(&cluster, "for n in range(150): open(f'f{n}', 'w').write('x')", json!(["f*"])).await;
    assert_eq!(many["outcome"], "ok", "{many:#}");
    assert!(paths(&many).len() <= 100 && many["files_error"].is_string(), "{many:#}");
    let large = "open('a', 'w').write('small')\nopen('b', 'wb').write(bytes(17 << 20))\n";
    let large = run(&cluster, large, json!(["a", "b"])).await;
    assert_eq!(large["outcome"], "ok", "{large:#}");
    assert!(!paths(&large).contains(&"b") && large["files_error"].is_string(), "{large:#}");
    let none = run(&cluster, "print('nothing')", json!(["*.png"])).await;
    assert_eq!((&none["files"], &none["outcome"]), (&json!([]), &json!("ok")), "{none:#}");
    cluster.shutdown().await;
}
