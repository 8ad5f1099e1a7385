//! Blobs as clients and agents meet them.

use std::time::Duration;

use enclos_protocol::agent_link::InputSource;
use enclos_protocol::cases::CasePage;
use enclos_protocol::job::JobInput;
use enclos_protocol::outcome::Outcome;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::fake_agent::report;
use super::judging::at_link;
use super::{LONG, Running, config, id_of};
use crate::config::{BlobBounds, Config};
use crate::store::Digest;

const OCTETS: &str = "application/octet-stream";

async fn put(master: &Running, query: &str, bytes: impl Into<reqwest::Body>) -> Response {
    let request = master.http.post(format!("{}/v1/blobs{query}", master.url)).header("content-type", OCTETS);
    request.body(bytes).send().await.unwrap()
}

async fn kept(master: &Running, bytes: &[u8]) -> String {
    let response = put(master, "", bytes.to_vec()).await;
    assert!(response.status().is_success(), "{response:?}");
    response.json::<Value>().await.unwrap()["sha256"].as_str().unwrap().to_owned()
}

async fn at(master: &Running, method: Method, name: &str) -> Response {
    master.http.request(method, format!("{}/v1/blobs/{name}", master.url)).send().await.unwrap()
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_blob_is_kept_given_back_and_deleted() {
    let (master, _dir) = Running::new().await;
    let bytes = b"\0<script>\xff".repeat(20_000);
    let name = Digest::of(&bytes).to_string();
    let first = put(&master, &format!("?sha256={name}"), bytes.clone()).await;
    assert_eq!(
        (first.status().as_u16(), first.headers()["location"].to_str().unwrap()),
        (201, &*format!("/v1/blobs/{name}"))
    );
    let first: Value = first.json().await.unwrap();
    assert_eq!((&first["sha256"], &first["size_bytes"]), (&json!(name), &json!(bytes.len())));
    let again = put(&master, "", bytes.clone()).await;
    assert_eq!(again.status(), 200);
    assert!(again.json::<Value>().await.unwrap()["expires_at"].as_str() >= first["expires_at"].as_str());

    let got = at(&master, Method::GET, &name).await;
    for (header, value) in [
        ("content-type", OCTETS),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-length", &bytes.len().to_string()),
        ("content-disposition", &format!("attachment; filename*=UTF-8''{name}")),
    ] {
        assert_eq!(got.headers()[header], value, "{header}");
    }
    assert_eq!(got.bytes().await.unwrap(), bytes);
    let head = at(&master, Method::HEAD, &name).await;
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()),
        (200, &*bytes.len().to_string())
    );

    for _ in 0..2 {
        assert_eq!(at(&master, Method::DELETE, &name).await.status(), 204);
    }
    assert_eq!(code(at(&master, Method::GET, &name).await).await, refused(404, "not_found"));
    assert_eq!(at(&master, Method::HEAD, &name).await.status(), 404);
    assert_eq!(at(&master, Method::DELETE, "no-digest").await.status(), 404);
    let empty = kept(&master, b"").await;
    assert_eq!(at(&master, Method::GET, &empty).await.bytes().await.unwrap(), "");
    master.end().await;
}

#[tokio::test]
async fn what_is_no_upload_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = BlobBounds { all_bytes_max: 1 << 20, ..config(dir.path()).blobs };
    let master = Running::start(Config { blobs: bounds, ..config(dir.path()) }).await;
    let url = format!("{}/v1/blobs", master.url);
    let other = Digest::of(b"other");
    assert_eq!(code(put(&master, &format!("?sha256={other}"), "x").await).await, refused(422, "digest_mismatch"));
    assert_eq!(code(put(&master, "?sha256=x", "x").await).await, refused(422, "invalid_value"));
    assert_eq!(code(put(&master, "?md5=x", "x").await).await, refused(400, "unknown_field"));
    let json = master.http.post(&url).header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(code(json).await, refused(415, "unsupported_media_type"));
    let bare = master.http.post(&url).body("x").send().await.unwrap();
    assert_eq!(code(bare).await, refused(415, "unsupported_media_type"));
    assert_eq!(code(put(&master, "", vec![0; (1 << 20) + 1]).await).await, refused(413, "too_large"));
    // Without a length that says so.
    let pieces = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1 << 16])));
    let dripped = put(&master, "", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!(code(dripped).await, refused(413, "too_large"));
    kept(&master, &vec![1; 1 << 19]).await;
    let full = put(&master, "", vec![2; (1 << 19) + 1]).await;
    assert!(full.headers().contains_key("retry-after"));
    assert_eq!(code(full).await, refused(429, "quota_exceeded"));
    assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 1);
    master.end().await;
}

#[tokio::test]
async fn only_so_many_uploads_go_on_at_once_and_one_that_breaks_off_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = BlobBounds { uploads_max: 1, ..config(dir.path()).blobs };
    let master = Running::start(Config { blobs: bounds, ..config(dir.path()) }).await;
    let (pieces, body) = futures::channel::mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    let mut slow = tokio::task::JoinSet::new();
    let request = master.http.post(format!("{}/v1/blobs", master.url)).header("content-type", OCTETS);
    slow.spawn(request.body(reqwest::Body::wrap_stream(body)).send());
    let blobs = dir.path().join("blobs");
    let until = async |count| {
        while std::fs::read_dir(&blobs).unwrap().count() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, until(1)).await.expect("the upload begins");
    assert_eq!(code(put(&master, "", "x").await).await, refused(503, "unavailable"));
    drop(pieces);
    slow.shutdown().await;
    let free = async {
        loop {
            // One that ended well without bytes is an empty blob; a broken one is none.
            match put(&master, "", "x").await.status().as_u16() {
                503 => tokio::task::yield_now().await,
                status => return status,
            }
        }
    };
    assert_eq!(tokio::time::timeout(LONG, free).await.expect("there is room again"), 201);
    master.end().await;
}

#[tokio::test]
async fn the_same_content_uploaded_at_once_is_kept_once() {
    let (master, dir) = Running::new().await;
    let bytes = vec![5; 300_000];
    let answers = futures::future::join_all((0..4).map(|_| put(&master, "", bytes.clone()))).await;
    let new = answers.iter().filter(|answer| answer.status() == 201).count();
    assert_eq!((new, answers.iter().filter(|answer| answer.status() == 200).count()), (1, 3));
    assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 1);
    master.end().await;
}

#[tokio::test]
async fn an_agent_gets_what_a_job_refers_to_also_after_it_was_deleted() {
    let (master, _dir) = Running::new().await;
    let large = vec![b'x'; 200_000];
    let (large, small) = (kept(&master, &large).await, kept(&master, b"print(1)").await);
    let files = json!([{ "path": "main.py", "blob": small }, { "path": "data", "blob": large }]);
    let fetched = master.submit(&json!({ "files": files, "stdin_blob": small })).await;
    let inline = master.submit(&json!({ "files": [{ "path": "main.py", "blob": small }] })).await;
    let cases =
        json!([{ "stdin_blob": large, "expected_stdout": "y" }, { "stdin": "z", "expected_stdout_blob": small }]);
    let judged = master.submit(&json!({ "language": "python", "source": "", "cases": cases })).await;
    for name in [&large, &small] {
        at(&master, Method::DELETE, name).await;
    }
    let gone = master.post("/v1/jobs", &json!({ "language": "python", "source": "", "stdin_blob": small })).await;
    assert_eq!(code(gone).await, refused(422, "unknown_blob"));

    let mut agent = master.agent("one").await;
    for _ in 0..3 {
        let (attempt, _, source) = agent.job().await;
        let id = attempt.job.to_string();
        if id == fetched {
            assert!(matches!(source, InputSource::Fetch { size_bytes } if size_bytes > 200_000));
            let body = at_link(&master, Method::GET, "/v1/inputs", attempt, "", vec![]).await.bytes().await.unwrap();
            let input: JobInput = ciborium::from_reader(&body[..]).unwrap();
            assert_eq!((&input.files[0].content[..], input.files[1].content.len()), (&b"print(1)"[..], 200_000));
            assert_eq!(input.stdin.as_ref(), b"print(1)");
        } else if id == inline {
            let InputSource::Inline(input) = source else { panic!("it is small") };
            assert_eq!(input.files[0].content.as_ref(), b"print(1)");
        } else {
            assert_eq!(id, judged);
            let body =
                at_link(&master, Method::GET, "/v1/cases", attempt, "&from=0", vec![]).await.bytes().await.unwrap();
            let CasePage { cases, .. } = ciborium::from_reader(&body[..]).unwrap();
            assert_eq!((cases[0].stdin.len(), cases[1].stdin.as_ref()), (200_000, &b"z"[..]));
            assert_eq!(cases[1].expected.as_ref().unwrap().as_ref(), b"print(1)");
        }
        agent.finish(attempt, report(Outcome::Ok, 0)).await;
        assert!(agent.verdict(attempt).await);
    }
    master.end().await;
}

#[tokio::test]
async fn a_job_that_is_known_by_its_key_is_answered_after_its_blobs_are_gone() {
    let (master, _dir) = Running::new().await;
    let name = kept(&master, b"in").await;
    let body = json!({ "language": "python", "source": "", "stdin_blob": name });
    let post = async |key: &'static str, body: &Value| {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).header("Idempotency-Key", key);
        request.json(body).send().await.unwrap()
    };
    let first = id_of(&post("k", &body).await.json().await.unwrap());
    at(&master, Method::DELETE, &name).await;
    let again = post("k", &body).await;
    assert_eq!(again.status(), 200);
    assert_eq!(id_of(&again.json().await.unwrap()), first);
    let waited =
        master.http.post(format!("{}/v1/jobs?wait_ms=1", master.url)).header("Idempotency-Key", "k").json(&body);
    assert_eq!(waited.send().await.unwrap().status(), 202, "it waits as it would have");
    assert_eq!(code(post("new", &body).await).await, refused(422, "unknown_blob"));
    let other = json!({ "language": "python", "source": "other", "stdin_blob": name });
    assert_eq!(code(post("k", &other).await).await, refused(409, "idempotency_conflict"));
    master.end().await;
}

#[tokio::test]
async fn an_archive_may_be_a_blob() {
    let (master, _dir) = Running::new().await;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(8);
    archive.append_data(&mut header, "main.py", &b"print(1)"[..]).unwrap();
    let archive = archive.into_inner().unwrap();
    let (whole, cut) = (kept(&master, &archive).await, kept(&master, &archive[..700]).await);
    let id = master.submit(&json!({ "archive": { "blob": whole } })).await;
    let mut agent = master.agent("one").await;
    let (attempt, spec, source) = agent.job().await;
    assert_eq!((attempt.job.to_string(), spec.entry.as_str()), (id, "main.py"));
    let InputSource::Inline(input) = source else { panic!("it is small") };
    assert_eq!(input.files[0].content.as_ref(), b"print(1)");
    let refusal = master.post("/v1/jobs", &json!({ "archive": { "blob": cut } })).await;
    assert_eq!(code(refusal).await, refused(422, "invalid_archive"));
    let refusal = master.post("/v1/jobs", &json!({ "archive": { "blob": Digest::of(b"none").to_string() } })).await;
    assert_eq!(code(refusal).await, refused(422, "unknown_blob"));
    master.end().await;
}

#[tokio::test]
async fn blobs_expire() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = BlobBounds { ttl: Duration::from_secs(1), ..config(dir.path()).blobs };
    let master = Running::start(Config { blobs: bounds, ..config(dir.path()) }).await;
    let name = kept(&master, b"x").await;
    let gone = async {
        while at(&master, Method::HEAD, &name).await.status() == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it expires");
    assert_eq!(put(&master, "", "x").await.status(), 201, "it is new again");
    master.end().await;
}
