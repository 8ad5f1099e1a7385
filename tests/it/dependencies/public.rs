//! What a user of the public index meets.

use crate::cluster::Cluster;
use crate::engine;

use super::{end, installed, job, stdout};

const AGENT: &[&str] = &["--slots", "2", "--languages", "python", "--warm", "0"];

/// Prints where the compiled part of the package stands, and that its text is escaped by it.
const COMPILED: &str =
    "import markupsafe, markupsafe._speedups as s\nprint(s.__file__)\nprint(markupsafe.escape('<'))\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_compiled_wheel_is_installed_once_and_then_there() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let first = cluster.run(&job(COMPILED, &["MarkupSafe>=3,<4"])).await;
    assert_eq!(first["outcome"], "ok", "{first:#}\n{}", cluster.logs());
    let lines: Vec<&str> = stdout(&first).lines().collect();
    let place = "/usr/lib/python3/dist-packages/markupsafe/_speedups.";
    assert!(lines[0].starts_with(place) && lines[0].ends_with(".so") && lines[1] == "&lt;", "{first:#}");
    assert_eq!(first["dependencies"]["cached"], false, "{first:#}");
    assert!(installed(&first)[0].starts_with("MarkupSafe 3."), "{first:#}");
    let waited = first["dependencies"]["install_ms"].as_u64().unwrap();
    let timing = |name: &str| first["timing"][name].as_u64().unwrap();
    assert!(waited > 0 && timing("install_ms") == waited && timing("run_ms") < waited, "{first:#}");

    let second = cluster.run(&job(COMPILED, &["markupsafe < 4, >=3"])).await;
    assert_eq!(stdout(&second), stdout(&first), "{second:#}");
    assert_eq!(second["dependencies"]["cached"], true, "{second:#}");
    assert_eq!(installed(&second), installed(&first));
    assert!(second["dependencies"]["install_ms"].as_u64().unwrap() < 50, "{second:#}");
    cluster
        .eventually("the agent tells of its image", || async {
            let listed = cluster.agent(&cluster.agents[0].name).await;
            listed["installs"] == true && listed["derived_images"] == 1 && listed["derived_bytes"].as_u64() > Some(0)
        })
        .await;
    end(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_does_not_have_is_told_as_what_it_is() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    for (requirement, problem) in [
        ("enclos-no-such-package-0", "the index has no package 'enclos-no-such-package-0'"),
        ("docopt==0.6.2", "'docopt' is published as source only, and only wheels are installed"),
        ("markupsafe==0.0.1", "no wheel of 'markupsafe' fits the version asked for and this Python"),
    ] {
        let job = cluster.run(&job("print(1)", &[requirement])).await;
        assert_eq!(job["outcome"], "compile_error", "{job:#}\n{}", cluster.logs());
        assert_eq!(job["message"], format!("the dependencies cannot be installed: {problem}"), "{job:#}");
        let log = job["compile"]["stderr"].as_str().unwrap();
        assert!(log.contains("No matching distribution found"), "{job:#}");
        assert!(job["run"].is_null() && job["attempts"] == 1, "{job:#}");
    }
    let agent = cluster.agents[0].name.clone();
    assert!(engine::containers_of(&agent).await.is_empty(), "no builder is left");
    end(cluster).await;
}

/// What it takes is in docs/BENCHMARKS.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads 16 MB"]
async fn numpy_computes() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let source =
        "import numpy as np\na = np.arange(9.0).reshape(3, 3)\nprint(int((a @ a).trace()), np.linalg.matrix_rank(a))\n";
    for cached in [false, true, true] {
        let job = cluster.run(&job(source, &["numpy==2.*"])).await;
        assert_eq!(stdout(&job), "180 2\n", "{job:#}\n{}", cluster.logs());
        assert_eq!(job["dependencies"]["cached"], cached, "{job:#}");
        println!("numpy: {} {}", job["dependencies"]["install_ms"], job["timing"]);
    }
    end(cluster).await;
}
