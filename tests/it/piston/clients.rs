//! Clients that nobody here wrote, told another address and nothing else.

use std::path::Path;
use std::time::Duration;

use super::{LANGUAGES, PROGRAMS, PUBLIC, cluster};
use crate::packages::Python;
use crate::tidy::root;

/// Longest that a client may take for all languages.
const CLIENT_WAIT: Duration = Duration::from_secs(240);

async fn run_with(script: &str) {
    let python = Python::with(Path::new("tests/it/piston/clients/requirements.txt")).await;
    let cluster = cluster(&["--piston-root"]).await;
    let folder = Path::new("tests/it/piston/clients");
    let programs = root().join(PROGRAMS);
    for place in [PUBLIC, "/api/v2"] {
        let url = format!("{}{place}/", cluster.url);
        let args = [url.as_str(), programs.to_str().expect("a path of text")];
        let output = python.run(&folder.join(script), &args, &[], CLIENT_WAIT).await;
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {said}{wrong}\n{}", cluster.logs());
        assert_eq!(said, format!("{} languages\n", LANGUAGES.len()), "{wrong}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiopyston_needs_the_address_alone() {
    run_with("with_aiopyston.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ultra_piston_needs_the_address_alone() {
    run_with("with_ultra_piston.py").await;
}
