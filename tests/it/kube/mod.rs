//! The manifests of `k8s/`: rendered, held to the API's schemas and to a policy of ours, and run as pods
//! without a cluster (`pod` makes what a kubelet would of them, `layout` and `rolling` look at what comes of it).

mod archives;
mod broken;
mod layout;
mod manifests;
mod pod;
mod policy;
mod rolling;
mod site;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::packages::Python;
use manifests::{OVERLAYS, objects, text};

/// The oldest release that has all we use: ValidatingAdmissionPolicy is stable from here on.
const OLDEST: &str = "1.30";
/// Longest that all schemas may take.
const VALIDATE_WAIT: Duration = Duration::from_secs(240);

async fn validated(texts: &[(&str, String)]) -> Output {
    let python = Python::with(Path::new("tests/it/kube/validate.txt")).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut args = vec![OLDEST.to_owned()];
    for (name, text) in texts {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, text).expect("it can be written");
        args.push(path.display().to_string());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    python.run(Path::new("tests/it/kube/validate.py"), &args, &[], VALIDATE_WAIT).await
}

#[tokio::test]
async fn every_overlay_is_of_the_schemas_of_the_oldest_and_the_newest_release() {
    let texts: Vec<(&str, String)> = OVERLAYS.iter().map(|overlay| (*overlay, text(overlay))).collect();
    let output = validated(&texts).await;
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{wrong}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("1.30") && lines[2] == "without ScaledObject", "{said}{wrong}");
    let objects: usize = OVERLAYS.iter().map(|overlay| objects(overlay).len()).sum();
    assert!(lines[..2].iter().all(|line| line.ends_with(&format!(" {}", objects - 1))), "{said} of {objects}");
}

#[tokio::test]
async fn a_field_that_the_api_does_not_have_is_found() {
    let all = text("dev").replace("shareProcessNamespace:", "shareProcessNamespaces:");
    let bad = all
        .split("---\n")
        .find(|document| document.contains("shareProcessNamespaces:"))
        .expect("it is there")
        .to_owned();
    let output = validated(&[("bad", bad)]).await;
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && wrong.contains("shareProcessNamespaces"), "{wrong}");
}

#[test]
fn every_overlay_is_of_the_policy() {
    for overlay in OVERLAYS {
        let found = policy::violations(overlay, &objects(overlay));
        assert!(found.is_empty(), "{overlay}: {found:#?}");
    }
}
