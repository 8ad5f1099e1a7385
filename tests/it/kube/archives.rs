//! Language images as archives: what an agent that builds nothing takes, and what it does not.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::pod::{called, docker};
use crate::cluster::program;
use crate::tidy::root;

/// Longest that one command on images may take.
const IMAGES_WAIT: Duration = Duration::from_secs(240);

/// Folders of images of which `python` is one that no engine has.
fn folders() -> tempfile::TempDir {
    let folders = tempfile::tempdir().expect("a folder can be made");
    for image in ["base", "python"] {
        let (from, to) = (root().join("images").join(image), folders.path().join(image));
        let copied = std::process::Command::new("cp").arg("-r").args([&from, &to]).status();
        assert!(copied.expect("cp is there").success());
    }
    let dockerfile = folders.path().join("python/Dockerfile");
    let text = std::fs::read_to_string(&dockerfile).expect("it is there");
    let unique = format!("{text}# {:016x}\n", rand::random::<u64>());
    std::fs::write(&dockerfile, unique).expect("it can be written");
    folders
}

async fn images(folders: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("enclos-agent"));
    command.arg("images").args(args).arg("--images-dir").arg(folders).kill_on_drop(true);
    timeout(IMAGES_WAIT, command.output()).await.expect("it ends").expect("the agent starts")
}

/// `python` as the engine has it.
async fn python(folders: &Path) -> Value {
    let listed: Value = serde_json::from_slice(&images(folders, &["list", "--json"]).await.stdout).expect("it is JSON");
    let found = listed["images"].as_array().and_then(|all| all.iter().find(|i| i["name"] == "python"));
    found.expect("it is listed").clone()
}

/// Gives the engine an image that says to be of `digest`, under the name of what the folders describe.
async fn pretend(base: &str, wanted: &str, digest: &str) -> String {
    let reference = format!("enclos/python:{}", &wanted[..16]);
    let label = format!("--change=LABEL enclos.digest={digest}");
    let container = docker(&["create", base, "-"]).await;
    docker(&["commit", &label, &container, &reference]).await;
    docker(&["rm", &container]).await;
    reference
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_builds_nothing_takes_the_right_archive_and_no_other() {
    let built = images(&root().join("images"), &["build", "python"]).await;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let real = python(&root().join("images")).await;
    let base = format!("enclos/python:{}", &real["digest"].as_str().expect("it has one")[..16]);
    let (folders, archives) = (folders(), tempfile::tempdir().expect("a folder can be made"));
    let wanted = python(folders.path()).await["digest"].as_str().expect("it has one").to_owned();
    let archives = archives.path().to_str().expect("a path of text");
    let deny = ["build", "python", "--image-builds", "deny", "--image-archives", archives];
    let refused = || async {
        let output = images(folders.path(), &deny).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("builds no images (--image-builds deny)"), "{said}");
    };
    let export = ["export", "python", "--to", archives];

    refused().await;
    let missing = images(folders.path(), &export).await;
    assert!(String::from_utf8_lossy(&missing.stderr).contains("is not there; 'images build' makes it"));

    // An archive of that name which holds another image.
    let reference = pretend(&base, &wanted, &"0".repeat(64)).await;
    assert!(images(folders.path(), &export).await.status.success());
    docker(&["image", "rm", &reference]).await;
    refused().await;
    // Nor does what was loaded stay under that name, for the next who looks.
    refused().await;
    assert!(!called(&["image", "inspect", &reference]).await.status.success());

    let reference = pretend(&base, &wanted, &wanted).await;
    assert!(images(folders.path(), &export).await.status.success());
    docker(&["image", "rm", &reference]).await;
    let taken = images(folders.path(), &deny).await;
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let python = python(folders.path()).await;
    assert_eq!(python["state"], "ready", "{python:#}");
    let left: Vec<String> = std::fs::read_dir(archives)
        .expect("it is there")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, [format!("python-{}.tar", &wanted[..16])], "nothing half-written is left");
    for image in [python["reference"].as_str().expect("it has one"), reference.as_str()] {
        assert!(called(&["image", "rm", image]).await.status.success());
    }
}
