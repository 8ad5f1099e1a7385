//! `enclos up` where keys are wanted: its own parts need none of them, its clients do.

use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::{program, signal};
use crate::commands::{UP_WAIT, shown_when_ready};
use crate::engine;

#[tokio::test(flavor = "multi_thread")]
async fn up_works_where_keys_are_wanted_and_shows_how_one_is_sent() {
    let data = tempfile::tempdir().unwrap();
    let enclos = || {
        let mut command = Command::new(program("enclos"));
        command.kill_on_drop(true).stdin(Stdio::null()).env("ENCLOS_DATA_DIR", data.path());
        command
    };
    let create = enclos().args(["keys", "create", "--tenant", "a", "--scope", "submit,read"]).output();
    let created = timeout(UP_WAIT, create).await.expect("it ends").unwrap();
    assert!(created.status.success(), "{created:?}");
    let mut child = enclos()
        .args(["up", "--bind", "127.0.0.1:0", "--link-bind", "127.0.0.1:0", "--agent-name", "it-up-keys"])
        .args(["--languages", "python"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let shown = shown_when_ready(&mut child).await;
    let row = shown.lines().find(|line| line.split_whitespace().next() == Some("python"));
    assert!(row.is_some_and(|row| row.contains("ok")), "its hello jobs run: {shown}");
    assert!(shown.contains("authorization: Bearer $ENCLOS_API_KEY"), "{shown}");
    let url = shown.split("ready at ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let jobs = enclos().args(["jobs", "--url", url]).output();
    let refused = timeout(UP_WAIT, jobs).await.expect("it ends").unwrap();
    assert_eq!(refused.status.code(), Some(124), "{refused:?}");
    let key = String::from_utf8(created.stdout).unwrap();
    let jobs = enclos().args(["jobs", "--url", url]).env("ENCLOS_API_KEY", key.trim()).output();
    let listed = timeout(UP_WAIT, jobs).await.expect("it ends").unwrap();
    assert!(listed.status.success(), "{listed:?}");
    signal(child.id().unwrap(), "-INT").await;
    let status = timeout(UP_WAIT, child.wait()).await.expect("Ctrl-C ends it").unwrap();
    assert!(status.success(), "{status}");
    engine::assert_nothing_left("it-up-keys").await;
}
